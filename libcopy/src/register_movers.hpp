// How a mover becomes strategies: the same for those of libcopy and those of plug-ins. Private to
// libcopy.
#pragma once

#include <vector>

#include "mover/movers.hpp"
#include "sqlbk/core/registry.hpp"

namespace sqlbk::copy {

// Adds WRAPPER+M for every wrapper, and the bare M, for each of `movers`. Throws usage where a name
// is taken.
void register_movers(Registry& registry, const std::vector<MoverFactory>& movers);

}  // namespace sqlbk::copy
