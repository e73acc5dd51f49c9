// FICLONE and FICLONERANGE (ioctl_ficlonerange(2)) with plain arguments.
#pragma once

#include <sys/types.h>

namespace sqlbk::platform {

int clone_file(int out, int in) noexcept;
int clone_range(int out, int in, off_t in_offset, off_t length, off_t out_offset) noexcept;

}  // namespace sqlbk::platform
