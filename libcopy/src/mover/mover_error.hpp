// Errors of calls that read one file and write another. Private to libcopy.
#pragma once

#include <string_view>

#include "mover.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::copy {

// "unable to ACTION 'INPUT'", or "unable to write 'OUTPUT'" where only a write fails so.
Error mover_error(std::string_view action, const MoveJob& job, int os_errno);

}  // namespace sqlbk::copy
