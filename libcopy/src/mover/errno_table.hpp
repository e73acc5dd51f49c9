// Which errno means "this call does not work on these files", so that another mover may be tried
// before the first byte was moved; every other errno is a failure. Private to libcopy.
#pragma once

namespace sqlbk::copy {

enum class MoverCall { ficlone, copy_file_range, mmap };

bool is_unsupported(MoverCall call, int os_errno) noexcept;

}  // namespace sqlbk::copy
