// Shared libraries that bring movers and post-steps of their own (docs/plugins.md). For programs
// that let their users name such a file; plugin/abi.h is the other side.
//
// Thread-safety: any thread; the code of the plug-in runs in the calling thread. A loaded library
// is never unloaded, so what comes from it may outlive everything.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sqlbk/core/registry.hpp"
#include "sqlbk/plugin/abi.h"

namespace sqlbk {

// A part that passed all checks, with copies of its texts. `abi` belongs to the library.
struct PluginMover {
  std::string name;
  std::string summary;
  bool shares_extents = false;
  const sqlbk_mover* abi = nullptr;
};

struct PluginStep {
  std::string name;
  std::string summary;
  std::string argument;  // the form of it; "": takes none
  StepTraits traits;
  const sqlbk_step* abi = nullptr;
};

struct Plugin {
  std::string path;  // as it was given
  std::string name;
  std::string version;
  std::vector<PluginMover> movers;
  std::vector<PluginStep> steps;
};

// Loads the shared library `path` (a file, never a name that is looked up in the system's library
// directories) and checks everything that it says of itself. Throws usage: no such file, not a
// plug-in, of another version, refused by itself, broken; or sqlbk was built without plug-ins.
// The library runs with all rights of this process: load only what you would also run.
Plugin load_plugin(const std::string& path);

// Adds its steps. Throws usage, with the registry as before, where a name is taken. For its movers
// see copy/plugin_movers.hpp.
void register_plugin_steps(Registry& registry, const Plugin& plugin);

// For the function above and its like: `add` adds parts of `plugin` to the registry. Where it
// throws, the registry is as before, and the message names the plug-in.
void extend_registry(Registry& registry, const Plugin& plugin,
                     const std::function<void(Registry&)>& add);

}  // namespace sqlbk
