// The copy strategies of libcopy. Thread-safety: pure function on the caller's registry.
#pragma once

#include "sqlbk/core/registry.hpp"

namespace sqlbk::copy {

// Adds auto, snapshot, snapshot+M, online and the bare movers M. Call once for each registry.
void register_builtin_strategies(Registry& registry);

}  // namespace sqlbk::copy
