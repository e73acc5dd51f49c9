// A table of system calls in which one call of one kind fails. Everything is static, since the
// table has plain function pointers; one at a time.
#pragma once

#include <string_view>

#include "sqlbk/core/sys.hpp"

namespace sqlbk::test {

enum class Fault {
  no_space,     // ENOSPC
  io_error,     // EIO
  interrupted,  // EINTR
  short_count,  // of what transfers bytes: half of them
  killed,       // the process ends at once, as by SIGKILL
};
std::string_view to_string(Fault fault) noexcept;

// Whether the manual of this call knows the fault.
bool may_suffer(std::string_view call, Fault fault) noexcept;

// The entries of Sys, in its order.
inline constexpr std::string_view kSysCalls[] = {
    "openat",    "fstat",           "fstatat",         "lseek",        "faccessat", "pread",
    "pwrite",    "ficlone",         "copy_file_range", "ficlonerange", "ftruncate", "fsync",
    "fchmod",    "sync_file_range", "fchown",          "futimens",     "fgetxattr", "flistxattr",
    "fsetxattr", "fremovexattr",    "fstatfs",         "fstatvfs",     "mmap",      "readlinkat",
    "get_lock",  "set_lock",        "set_lease",       "duplicate",    "flock",     "mkdirat",
    "unlinkat",  "renameat2",       "linkat",          "getrandom",    "close"};
// A table of pointers and nothing else: none is left out.
static_assert(std::size(kSysCalls) * sizeof(void (*)()) == sizeof(Sys));

class FaultySys {
 public:
  // The `nth` call (from 1) of `call` suffers `fault`; all others are real.
  FaultySys(std::string_view call, unsigned nth, Fault fault);
  FaultySys(const FaultySys&) = delete;
  FaultySys& operator=(const FaultySys&) = delete;
  ~FaultySys();

  // Whether the call has come, so that there may be a later one to try.
  static bool has_struck() noexcept;

 private:
  Sys table_;
};

}  // namespace sqlbk::test
