#include "mounted.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sqlbk::test {
namespace {

std::optional<std::string> mkfs_of(const std::string& kind) {
  for (const char* directory : {"/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"}) {
    const std::string path = directory + std::string("mkfs.") + kind;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return std::nullopt;
}

void run(const std::string& command) {
  if (std::system(command.c_str()) != 0) throw std::runtime_error("this failed: " + command);
}

}  // namespace

std::optional<std::string> why_not_mountable(const std::string& kind) {
  if (::geteuid() != 0) return "only root can mount " + kind;
  if (kind != "tmpfs" && !mkfs_of(kind)) return "there is no mkfs." + kind;
  return std::nullopt;
}

Mounted::Mounted(const std::string& kind, unsigned size_mib) : path_(directory_.file("mnt")) {
  std::filesystem::create_directory(path_);
  if (kind == "tmpfs") {
    const std::string options = "size=" + std::to_string(size_mib) + "m";
    if (::mount("none", path_.c_str(), "tmpfs", 0, options.c_str()) != 0) {
      throw std::runtime_error("unable to mount a tmpfs: " + std::string(std::strerror(errno)));
    }
    return;
  }
  const std::string image = directory_.file("image");
  std::ofstream(image).close();
  std::filesystem::resize_file(image, std::uintmax_t{size_mib} << 20U);
  run(*mkfs_of(kind) + " -q " + image + " >/dev/null 2>&1");
  run("mount -o loop '" + image + "' '" + path_ + "' 2>/dev/null");
}

Mounted::~Mounted() {
  // Lazily: a test that failed may have left files open there.
  static_cast<void>(::umount2(path_.c_str(), MNT_DETACH));
}

}  // namespace sqlbk::test
