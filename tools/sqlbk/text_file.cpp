#include "text_file.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <span>
#include <sys/stat.h>
#include <unistd.h>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk::tool {
namespace {

std::string parent_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

std::string unable(const std::string& what, const std::string& path) {
  return "unable to write " + what + " " + sqlbk::quoted(path);
}

Error exists_error(const std::string& what, const std::string& path) {
  return Error(Errc::destination_exists, unable(what, path) + ": it exists already")
      .with_path(path);
}

// A file with a name of its own beside `path`, removed unless it was renamed.
class ScratchFile {
 public:
  ScratchFile(const std::string& what, const std::string& path)
      : what_(what), path_(path + ".XXXXXX") {
    fd_ = UniqueFd(::mkostemp(path_.data(), O_CLOEXEC));
    if (!fd_) throw system_error("write " + what, path, errno);
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile() { static_cast<void>(sys().unlinkat(AT_FDCWD, path_.c_str(), 0)); }

  void fill(const std::string& text) {
    write_all(fd_.get(), std::as_bytes(std::span(text)), 0, path_);
    const mode_t mask = ::umask(0);
    static_cast<void>(::umask(mask));
    if (sys().fchmod(fd_.get(), 0666U & ~mask) != 0) {
      throw system_error("set the permissions of", path_, errno);
    }
    sync_file(fd_.get(), path_);
    close_checked(fd_, path_);
  }
  void rename_to(const std::string& path, unsigned flags) {
    if (sys().renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, path.c_str(), flags) == 0) return;
    if (errno == EEXIST) throw exists_error(what_, path);
    throw system_error("write " + what_, path, errno);
  }

 private:
  std::string what_;
  std::string path_;
  UniqueFd fd_;
};

}  // namespace

void check_text_file(const std::string& what, const std::string& path, Existing existing) {
  const std::optional<FileStat> there = stat_path(path);
  if (there && (existing == Existing::refuse || !there->is_regular())) {
    throw exists_error(what, path);
  }
  const std::optional<FileStat> directory = stat_path(parent_of(path));
  if (directory && directory->is_directory() && ::access(parent_of(path).c_str(), W_OK) == 0) {
    return;
  }
  throw Error(Errc::destination_unusable,
              unable(what, path) + ": there is no directory for it that can be written")
      .with_path(path);
}

void write_text_file(const std::string& what, const std::string& path, const std::string& text,
                     Existing existing) {
  ScratchFile file(what, path);
  file.fill(text);
  file.rename_to(path, existing == Existing::replace ? 0U : RENAME_NOREPLACE);
  const std::string parent = parent_of(path);
  const UniqueFd directory = open_at(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY, 0, parent);
  sync_file(directory.get(), parent);
}

}  // namespace sqlbk::tool
