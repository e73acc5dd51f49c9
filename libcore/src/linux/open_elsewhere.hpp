// Whether anybody has a file open. Private to libcore.
#pragma once

#include <string>

#include "sqlbk/core/io.hpp"

namespace sqlbk::platform {

// Whether any process (this one included, but for `fd` itself) has the file open. Asks the kernel
// for a write lease (fcntl(2), F_SETLEASE), which it grants only to the sole opener; where leases
// are not to be had, looks for locks and through /proc. `unknown`: the file is another user's, and
// not every process could be looked into.
enum class OpenElsewhere { no, yes, unknown };
OpenElsewhere open_elsewhere(int fd, const std::string& path);

// Whether the calling thread's descriptor table has the file open.
bool is_open_here(const FileStat& file);

}  // namespace sqlbk::platform
