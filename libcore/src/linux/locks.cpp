#include "linux/locks.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <fstream>
#include <limits>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/locks.hpp"

namespace sqlbk {
namespace platform {
namespace {

std::uint64_t number(const std::string& text, std::uint64_t otherwise) {
  std::uint64_t value = otherwise;
  static_cast<void>(std::from_chars(text.data(), text.data() + text.size(), value));
  return value;
}

}  // namespace

std::vector<ProcLock> read_proc_locks() {
  // "1: POSIX  ADVISORY  WRITE 1234 fe:00:5678 1073741824 1073742335", "->" in front of waiters.
  std::vector<ProcLock> locks;
  std::ifstream file("/proc/locks");
  for (std::string line; std::getline(file, line);) {
    if (line.find("->") != std::string::npos) continue;
    std::istringstream words(line);
    std::string index, type, enforcement, mode, pid, device, first, last;
    if (!(words >> index >> type >> enforcement >> mode >> pid >> device >> first >> last)) {
      continue;
    }
    if (type != "POSIX" && type != "OFDLCK") continue;
    locks.push_back({.pid = pid == "-1" ? -1 : static_cast<int>(number(pid, 0)),
                     .is_write = mode == "WRITE",
                     .is_posix = type == "POSIX",
                     .inode = number(device.substr(device.rfind(':') + 1), 0),
                     .first_byte = number(first, 0),
                     .last_byte = number(last, std::numeric_limits<std::uint64_t>::max())});
  }
  return locks;
}

bool process_holds_locks_on(int fd) noexcept {
  struct stat file {};
  if (::fstat(fd, &file) != 0) return false;
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  const bool is_told = ::fcntl(fd, F_OFD_GETLK, &lock) == 0;
  const int self = ::getpid();
  if (is_told && lock.l_type == F_UNLCK) return false;
  if (is_told && lock.l_pid == self) return true;
  try {
    // The kernel may leave rows out while others lock and unlock; what is said twice is true.
    constexpr int kReads = 10;
    std::vector<ProcLock> before;
    for (int i = 0; i < kReads; ++i) {
      std::vector<ProcLock> now = read_proc_locks();
      for (const ProcLock& row : now) {
        if (row.is_posix && row.pid == self && row.inode == file.st_ino) return true;
      }
      if (i > 0 && !now.empty() && now == before) return false;
      before = std::move(now);
    }
  } catch (...) {
    return true;  // out of memory
  }
  return true;  // not known: keeping a descriptor open is the safe side
}

}  // namespace platform

std::optional<LockHolder> conflicting_lock(int fd, std::uint64_t start_byte,
                                           std::uint64_t length_bytes, bool writers_only,
                                           const std::string& path) {
  struct flock lock {};
  lock.l_type = writers_only ? F_RDLCK : F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(start_byte);
  lock.l_len = static_cast<off_t>(length_bytes);
  lock.l_pid = 0;
  if (::fcntl(fd, F_OFD_GETLK, &lock) != 0) throw system_error("ask for locks on", path, errno);
  if (lock.l_type == F_UNLCK) return std::nullopt;
  return LockHolder{.pid = lock.l_pid, .is_write = lock.l_type == F_WRLCK};
}

std::vector<LockRow> list_locks(const LiveFiles& files) {
  std::vector<LockRow> rows;
  const std::vector<platform::ProcLock> locks = platform::read_proc_locks();
  for (const SourceFile file : kSourceFiles) {
    if (!files.has(file)) continue;
    const std::uint64_t inode = files.stat(file).inode;
    for (const platform::ProcLock& lock : locks) {
      if (lock.inode != inode) continue;
      LockRow row{.file = file,
                  .holder = {.pid = lock.pid, .is_write = lock.is_write},
                  .program = {},
                  .first_byte = lock.first_byte,
                  .last_byte = lock.last_byte};
      std::ifstream comm("/proc/" + std::to_string(lock.pid) + "/comm");
      static_cast<void>(std::getline(comm, row.program));
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

}  // namespace sqlbk
