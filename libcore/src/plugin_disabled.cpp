// Instead of plugin.cpp where the option `plugins` is disabled.
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/plugin.hpp"

namespace sqlbk {

Plugin load_plugin(const std::string& path) {
  throw Error(Errc::usage,
              "unable to load the plug-in " + quoted(path) + ": this sqlbk was built without them")
      .with_hint("build it with the Meson option -Dplugins=enabled");
}

}  // namespace sqlbk
