// Copy strategies from the movers of a plug-in. Thread-safety: pure function on the caller's
// registry.
#pragma once

#include "sqlbk/core/plugin.hpp"
#include "sqlbk/core/registry.hpp"

namespace sqlbk::copy {

// Adds for each mover M of the plug-in the bare M, and WRAPPER+M for every wrapper, as for the
// movers of libcopy. Throws usage, with the registry as before, where a name is taken.
void register_plugin_movers(Registry& registry, const Plugin& plugin);

}  // namespace sqlbk::copy
