#include "errno_table.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

namespace sqlbk::copy {
namespace {

struct Row {
  MoverCall call;
  int os_errno;
};

// EBADF, EFAULT and EIO are never in it: they are bugs or broken disks.
constexpr std::array kUnsupported{
    Row{MoverCall::ficlone, EOPNOTSUPP},  // the file system has no reflinks
    Row{MoverCall::ficlone, ENOTTY},      // it does not know the ioctl
    Row{MoverCall::ficlone, ENOSYS},
    Row{MoverCall::ficlone, EXDEV},    // two file systems
    Row{MoverCall::ficlone, EINVAL},   // not aligned to its blocks, or nodatacow on one side only
    Row{MoverCall::ficlone, ETXTBSY},  // swap file
    Row{MoverCall::ficlone, EPERM},    // a sandbox filters the ioctl
    Row{MoverCall::copy_file_range, ENOSYS},
    Row{MoverCall::copy_file_range, EXDEV},       // before Linux 5.3, or between kinds since 5.19
    Row{MoverCall::copy_file_range, EOPNOTSUPP},  // some network and FUSE file systems
    Row{MoverCall::copy_file_range, EINVAL},      // a file system without it
    Row{MoverCall::copy_file_range, ETXTBSY},
    Row{MoverCall::copy_file_range, EPERM},  // a sandbox filters the call
    Row{MoverCall::mmap, ENODEV},            // the file system has no mmap
    Row{MoverCall::mmap, EACCES},
    Row{MoverCall::mmap, EPERM},
};

}  // namespace

bool is_unsupported(MoverCall call, int os_errno) noexcept {
  return std::ranges::any_of(
      kUnsupported, [&](const Row& row) { return row.call == call && row.os_errno == os_errno; });
}

}  // namespace sqlbk::copy
