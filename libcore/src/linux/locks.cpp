#include "linux/locks.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <fstream>
#include <limits>
#include <sstream>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <utility>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/locks.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk {
namespace platform {
namespace {

std::uint64_t number(const std::string& text, std::uint64_t otherwise) {
  std::uint64_t value = otherwise;
  static_cast<void>(std::from_chars(text.data(), text.data() + text.size(), value));
  return value;
}

// "fe:00:5678", the device in hexadecimal.
LockedFile locked_file(const std::string& text) {
  unsigned major_number = 0;
  unsigned minor_number = 0;
  const std::size_t first = text.find(':');
  const std::size_t second = text.rfind(':');
  if (first == second) return {};
  const char* begin = text.data();
  static_cast<void>(std::from_chars(begin, begin + first, major_number, 16));
  static_cast<void>(std::from_chars(begin + first + 1, begin + second, minor_number, 16));
  return {.device = makedev(major_number, minor_number),
          .inode = number(text.substr(second + 1), 0)};
}

// The word behind `key` in what the kernel tells about a descriptor of this thread's table.
std::optional<std::string> fdinfo_value(int fd, const std::string& key) {
  std::ifstream info("/proc/thread-self/fdinfo/" + std::to_string(fd));
  for (std::string word, value; info >> word >> value;) {
    if (word == key) return value;
  }
  return std::nullopt;
}

// "27 1 254:0 / / rw ... - ext4 /dev/vda rw": the number of a mount, its parent's, the device of
// its super block. nullopt: the mount is not one of this thread's namespace.
std::optional<std::uint64_t> device_of_mount(const std::string& mount) {
  std::ifstream mounts("/proc/thread-self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string id, parent;
    unsigned major_number = 0;
    unsigned minor_number = 0;
    char colon = 0;
    if (!(words >> id >> parent >> major_number >> colon >> minor_number)) continue;
    if (id == mount) return makedev(major_number, minor_number);
  }
  return std::nullopt;
}

}  // namespace

std::optional<ProcLock> parse_lock_row(const std::string& row) {
  // "1: POSIX  ADVISORY  WRITE 1234 fe:00:5678 1073741824 1073742335", "->" in front of waiters.
  if (row.find("->") != std::string::npos) return std::nullopt;
  std::istringstream words(row);
  std::string index, type, enforcement, mode, pid, file, first, last;
  if (!(words >> index >> type >> enforcement >> mode >> pid >> file >> first >> last)) {
    return std::nullopt;
  }
  if (type != "POSIX" && type != "OFDLCK" && type != "FLOCK") return std::nullopt;
  return ProcLock{.pid = pid == "-1" ? -1 : static_cast<int>(number(pid, 0)),
                  .is_write = mode == "WRITE",
                  .is_posix = type == "POSIX",
                  .is_flock = type == "FLOCK",
                  .file = locked_file(file),
                  .first_byte = number(first, 0),
                  .last_byte = number(last, std::numeric_limits<std::uint64_t>::max())};
}

std::vector<ProcLock> read_proc_locks() {
  std::vector<ProcLock> locks;
  std::ifstream file("/proc/locks");
  for (std::string line; std::getline(file, line);) {
    if (std::optional<ProcLock> lock = parse_lock_row(line)) locks.push_back(*lock);
  }
  return locks;
}

LockedFile file_in_lock_rows(int fd) {
  struct stat file {};
  if (sys().fstat(fd, &file) != 0) return {};
  LockedFile found{.device = file.st_dev, .inode = file.st_ino};
  // Linux before 5.14 does not tell the inode here.
  const auto inode = fdinfo_value(fd, "ino:");
  if (inode) found.inode = number(*inode, found.inode);
  const auto mount = fdinfo_value(fd, "mnt_id:");
  const auto device = mount ? device_of_mount(*mount) : std::nullopt;
  if (device) found.device = *device;
  return found;
}

bool process_holds_locks_on(int fd) noexcept {
  struct stat file {};
  if (sys().fstat(fd, &file) != 0) return false;
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  const bool is_told = sys().get_lock(fd, &lock) == 0;
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
        if (row.is_posix && row.pid == self && row.file.inode == file.st_ino) return true;
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
  if (sys().get_lock(fd, &lock) != 0) throw system_error("ask for locks on", path, errno);
  if (lock.l_type == F_UNLCK) return std::nullopt;
  return LockHolder{.pid = lock.l_pid, .is_write = lock.l_type == F_WRLCK};
}

std::vector<LockRow> list_locks(const LiveFiles& files) {
  std::vector<LockRow> rows;
  const std::vector<platform::ProcLock> locks = platform::read_proc_locks();
  for (const SourceFile file : kSourceFiles) {
    if (!files.has(file)) continue;
    const platform::LockedFile wanted = platform::file_in_lock_rows(files.fd_of(file));
    for (const platform::ProcLock& lock : locks) {
      if (lock.is_flock || lock.file != wanted) continue;
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
