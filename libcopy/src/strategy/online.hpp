// Copying through SQLite's backup API. Private to libcopy.
#pragma once

#include <memory>

#include "sqlbk/core/copy_strategy.hpp"

namespace sqlbk::copy {

std::unique_ptr<CopyStrategy> make_online_strategy();

}  // namespace sqlbk::copy
