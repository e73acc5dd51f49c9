// What /proc/locks tells.
#pragma once

#include <cstdint>
#include <vector>

namespace sqlbk::platform {

struct ProcLock {
  int pid = -1;
  bool is_write = false;
  bool is_posix = false;  // else OFDLCK
  std::uint64_t inode = 0;
  std::uint64_t first_byte = 0;
  std::uint64_t last_byte = 0;
  bool operator==(const ProcLock&) const = default;
};

// Empty where /proc is not mounted.
std::vector<ProcLock> read_proc_locks();

// Whether this process holds a POSIX lock on the file, which closing `fd` would drop. May say yes
// for a file with the same inode number on another file system.
bool process_holds_locks_on(int fd) noexcept;

}  // namespace sqlbk::platform
