// Whether anything has a file open for writing: any process of this kernel, in whatever namespace,
// under whatever name, or a file system above. Private to libcore.
#pragma once

#include "users/observation.hpp"

namespace sqlbk::platform {

// Asks for a read lease (fcntl(2), F_SETLEASE), which the kernel grants only while nothing has the
// file open for writing, and gives it back at once. `unknown`: the file is another user's, or its
// file system has no leases. REQUIRES: `fd` is open for reading only.
users::Told open_for_writing(int fd) noexcept;

}  // namespace sqlbk::platform
