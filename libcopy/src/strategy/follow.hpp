// Fuzzy copy plus log replay: main is copied while the WAL is followed. Private to libcopy.
#pragma once

#include <memory>
#include <string>

#include "../mover/mover.hpp"
#include "sqlbk/core/copy_strategy.hpp"

namespace sqlbk::copy {

std::unique_ptr<CopyStrategy> make_follow_strategy(std::string name, MoverLadder movers);

}  // namespace sqlbk::copy
