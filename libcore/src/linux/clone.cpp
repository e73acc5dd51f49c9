#include "linux/clone.hpp"

#include <linux/fs.h>
#include <sys/ioctl.h>

namespace sqlbk::platform {

int clone_file(int out, int in) noexcept {
  return ::ioctl(out, FICLONE, in);
}

int clone_range(int out, int in, off_t in_offset, off_t length, off_t out_offset) noexcept {
  file_clone_range range{};
  range.src_fd = in;
  range.src_offset = static_cast<__u64>(in_offset);
  range.src_length = static_cast<__u64>(length);
  range.dest_offset = static_cast<__u64>(out_offset);
  return ::ioctl(out, FICLONERANGE, &range);
}

}  // namespace sqlbk::platform
