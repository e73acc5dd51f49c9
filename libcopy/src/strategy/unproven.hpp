// The bytes as they lie there, where nothing can be proven and the user accepts that. Private to
// libcopy.
#pragma once

#include <memory>

#include "../mover/mover.hpp"
#include "sqlbk/core/copy_strategy.hpp"

namespace sqlbk::copy {

// REQUIRES: `movers` outlives it.
std::unique_ptr<CopyStrategy> make_unproven_strategy(const MoverLadder& movers);

}  // namespace sqlbk::copy
