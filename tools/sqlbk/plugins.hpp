// The plug-ins that a command line names by --plugin.
#pragma once

#include <string>
#include <vector>

#include "sqlbk/core/plugin.hpp"
#include "sqlbk/core/registry.hpp"

namespace sqlbk::tool {

// Loads each file and adds its movers and steps to the registry. Throws usage.
std::vector<Plugin> load_plugins(const std::vector<std::string>& files, Registry& registry);

}  // namespace sqlbk::tool
