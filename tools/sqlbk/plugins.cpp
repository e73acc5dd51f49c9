#include "plugins.hpp"

#include "sqlbk/copy/plugin_movers.hpp"

namespace sqlbk::tool {

std::vector<Plugin> load_plugins(const std::vector<std::string>& files, Registry& registry) {
  std::vector<Plugin> plugins;
  for (const std::string& file : files) {
    plugins.push_back(load_plugin(file));
    copy::register_plugin_movers(registry, plugins.back());
    register_plugin_steps(registry, plugins.back());
  }
  return plugins;
}

}  // namespace sqlbk::tool
