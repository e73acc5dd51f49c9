// What /proc/locks tells.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sqlbk::platform {

// The file of a lock, as the kernel numbers it there: the device of its super block, which stat(2)
// does not tell on all file systems (btrfs, overlayfs), and its inode.
struct LockedFile {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool operator==(const LockedFile&) const = default;
};

struct ProcLock {
  int pid = -1;
  bool is_write = false;
  bool is_posix = false;  // else OFDLCK, or
  bool is_flock = false;  // FLOCK
  LockedFile file;
  std::uint64_t first_byte = 0;
  std::uint64_t last_byte = 0;
  bool operator==(const ProcLock&) const = default;
};

// One row of /proc/locks, or of /proc/PID/fdinfo/FD without its "lock:"; nullopt: it is none of
// these three kinds, or of a lock that is waited for.
std::optional<ProcLock> parse_lock_row(const std::string& row);
// Empty where /proc is not mounted. Waits for all processors where nothing has read it lately:
// 6 to 28 ms, else a few microseconds.
std::vector<ProcLock> read_proc_locks();
// The numbers under which the locks of this file stand there.
LockedFile file_in_lock_rows(int fd);

// Whether this process holds a POSIX lock on the file, which closing `fd` would drop. May say yes
// for a file with the same inode number on another file system: that is the safe side.
bool process_holds_locks_on(int fd) noexcept;

}  // namespace sqlbk::platform
