#include "linux/descriptor_table.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <unistd.h>

namespace sqlbk::platform {

namespace {

thread_local bool is_private = false;

}  // namespace

bool unshare_descriptor_table() noexcept {
  // Unlike unshare(CLONE_FILES), containers' seccomp profiles let this call through, and it drops
  // the copies of the host's descriptors in the same step. Linux 5.9 and later.
  is_private = ::close_range(3, ~0U, CLOSE_RANGE_UNSHARE) == 0;
  // Where the host has closed 0, 1 or 2, a file of ours must not get that number: somebody may
  // still print.
  while (is_private) {
    const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd > STDERR_FILENO || fd < 0) {
      if (fd >= 0) static_cast<void>(::close(fd));
      break;
    }
  }
  return is_private;
}

bool has_private_descriptor_table() noexcept {
  return is_private;
}

}  // namespace sqlbk::platform
