#include "source_files.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include "process.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/host_thread.hpp"

namespace sqlbk::test {
namespace {

constexpr const char* kSuffixes[] = {"", "-wal", "-journal", "-shm"};

struct LockLine {
  std::string type;
  std::string mode;
  long pid = 0;
  std::uint64_t inode = 0;
  std::uint64_t first_byte = 0;
  std::uint64_t last_byte = 0;
  std::string text;
};

// "1: POSIX  ADVISORY  WRITE 1234 fe:00:5678 1073741824 1073742335"; waiters have "->".
std::vector<LockLine> read_proc_locks() {
  std::vector<LockLine> lines;
  std::ifstream file("/proc/locks");
  for (std::string line; std::getline(file, line);) {
    if (line.find("->") != std::string::npos) continue;
    std::istringstream words(line);
    LockLine lock;
    std::string index, enforcement, device, last;
    if (!(words >> index >> lock.type >> enforcement >> lock.mode >> lock.pid >> device >>
          lock.first_byte >> last)) {
      continue;
    }
    lock.inode = std::stoull(device.substr(device.rfind(':') + 1));
    lock.last_byte = last == "EOF" ? UINT64_MAX : std::stoull(last);
    lock.text = lock.type + " " + lock.mode + " inode " + std::to_string(lock.inode) + " " +
                std::to_string(lock.first_byte) + "-" + last;
    lines.push_back(lock);
  }
  return lines;
}

std::uint64_t inode_or_zero(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? found.st_ino : 0;
}

}  // namespace

std::string bytes_of(const std::string& path) {
  std::string bytes;
  run_isolated([&](HostThread*) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw system_error("open", path, errno);
    std::ostringstream content;
    content << file.rdbuf();
    bytes = content.str();
  });
  return bytes;
}

void write_bytes(const std::string& path, const std::string& bytes) {
  run_isolated([&](HostThread*) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << bytes;
    file.close();
    if (!file) throw system_error("write", path, errno);
  });
}

std::string parent_of(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

SeenSource look_at_source(const std::string& main_path) {
  SeenSource seen;
  seen.names = names_in(parent_of(main_path));
  for (const char* suffix : kSuffixes) {
    const std::string path = main_path + suffix;
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) continue;
    SeenFile& file = seen.files[suffix];
    file.bytes = bytes_of(path);
    file.mtime_ns = std::int64_t{found.st_mtim.tv_sec} * 1'000'000'000 + found.st_mtim.tv_nsec;
    file.inode = found.st_ino;
  }
  return seen;
}

std::string difference(const SeenSource& before, const SeenSource& after, bool with_shm) {
  std::string text;
  if (before.names != after.names) {
    text += "the directory held";
    for (const std::string& name : before.names) text += " " + name;
    text += ", now";
    for (const std::string& name : after.names) text += " " + name;
    text += "; ";
  }
  for (const char* suffix : kSuffixes) {
    if (!with_shm && std::string(suffix) == "-shm") continue;
    const auto a = before.files.find(suffix);
    const auto b = after.files.find(suffix);
    if (a == before.files.end() || b == after.files.end()) continue;  // told by the names
    const std::string file = "main" + std::string(suffix);
    if (a->second.bytes != b->second.bytes) text += file + " has other bytes; ";
    if (a->second.mtime_ns != b->second.mtime_ns) text += file + " has another mtime; ";
    if (a->second.inode != b->second.inode) text += file + " is another file; ";
  }
  return text;
}

std::vector<std::string> own_locks_on(const std::string& main_path) {
  std::vector<std::uint64_t> inodes;
  for (const char* suffix : kSuffixes) {
    if (const std::uint64_t inode = inode_or_zero(main_path + suffix)) inodes.push_back(inode);
  }
  return settled([&inodes] {
    std::vector<std::string> locks;
    for (const LockLine& lock : read_proc_locks()) {
      const bool ours = (lock.type == "POSIX" && lock.pid == ::getpid()) || lock.type == "OFDLCK";
      if (ours && std::ranges::count(inodes, lock.inode) != 0) locks.push_back(lock.text);
    }
    std::ranges::sort(locks);
    locks.erase(std::unique(locks.begin(), locks.end()), locks.end());
    return locks;
  });
}

bool holds_write_lock(pid_t pid, const std::string& path, std::uint64_t first_byte,
                      std::uint64_t last_byte) {
  const std::uint64_t inode = inode_or_zero(path);
  return std::ranges::any_of(read_proc_locks(), [&](const LockLine& lock) {
    return lock.type == "POSIX" && lock.mode == "WRITE" && lock.pid == pid && lock.inode == inode &&
           lock.first_byte <= first_byte && lock.last_byte >= last_byte;
  });
}

}  // namespace sqlbk::test
