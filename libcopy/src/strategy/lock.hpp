// Copying under SQLite's read locks, without a SQLite connection. Private to libcopy.
#pragma once

#include <memory>
#include <string>

#include "../mover/mover.hpp"
#include "sqlbk/core/copy_strategy.hpp"

namespace sqlbk::copy {

std::unique_ptr<CopyStrategy> make_lock_strategy(std::string name, MoverLadder movers);

}  // namespace sqlbk::copy
