#include "sqlbk/core/plugin.hpp"

#include <algorithm>
#include <dlfcn.h>
#include <optional>
#include <span>
#include <string_view>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/plugin_call.hpp"

namespace sqlbk {
namespace {

constexpr std::size_t kNameMostBytes = 32;
constexpr std::uint32_t kMostParts = 1000;  // more is not a number but a broken structure

Error refusal(const std::string& path, const std::string& reason) {
  return Error(Errc::usage, "unable to load the plug-in " + quoted(path) + ": " + reason)
      .with_path(path)
      .with_hint("docs/plugins.md says what a plug-in is made of");
}

// dlopen() looks up a name without a slash in the system's library directories.
std::string as_file(const std::string& path) {
  return path.find('/') == std::string::npos ? "./" + path : path;
}

std::string dl_reason(const std::string& file) {
  const char* said = ::dlerror();
  std::string reason = said == nullptr ? "unknown reason" : said;
  if (reason.starts_with(file + ": ")) reason.erase(0, file.size() + 2);
  return reason;
}

sqlbk_plugin_entry_v1_fn load_entry(const std::string& path) {
  const std::string file = as_file(path);
  const std::optional<FileStat> stat = stat_path(file);
  if (!stat) throw refusal(path, "there is no such file").with_hint("check its path");
  if (!stat->is_regular()) throw refusal(path, "it is not a file").with_hint("check its path");
  static_cast<void>(::dlerror());
  // NOW: a missing symbol is found here, not in the middle of a copy. LOCAL: its symbols are its
  // own. Never closed: threads and handlers of the library may outlive everything.
  void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw refusal(path, dl_reason(file));
  void* symbol = ::dlsym(library, SQLBK_PLUGIN_ENTRY_NAME);
  if (symbol == nullptr) {
    throw refusal(path, "it is a library, but exports no " SQLBK_PLUGIN_ENTRY_NAME "()");
  }
  return reinterpret_cast<sqlbk_plugin_entry_v1_fn>(symbol);
}

bool is_name(std::string_view name) {
  const auto is_letter = [](char byte) { return byte >= 'a' && byte <= 'z'; };
  return !name.empty() && name.size() <= kNameMostBytes && is_letter(name.front()) &&
         std::ranges::all_of(name, [&](char byte) {
           return is_letter(byte) || (byte >= '0' && byte <= '9') || byte == '_' || byte == '-';
         });
}

// Checks one plug-in; every complaint names what it is about.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {}

  Plugin read(const sqlbk_plugin& abi) const {
    // Its abi stands within the first 8 bytes in every version: say this first.
    if (abi.size < 2 * sizeof(std::uint32_t)) throw too_small("its description", abi.size);
    if (abi.abi != SQLBK_PLUGIN_ABI) {
      throw refusal(path_, "it was built for version " + std::to_string(abi.abi) +
                               " of the binary interface, and this sqlbk has version " +
                               std::to_string(SQLBK_PLUGIN_ABI))
          .with_hint("build it anew with the abi.h of this sqlbk");
    }
    require_size("its description", abi, sizeof(sqlbk_plugin));
    Plugin plugin;
    plugin.path = path_;
    plugin.name = name_of("the plug-in", abi.name);
    plugin.version = text_of("the version of the plug-in", abi.version);
    for (const sqlbk_mover* mover : list_of("movers", abi.movers, abi.mover_count)) {
      plugin.movers.push_back(read(mover));
    }
    for (const sqlbk_step* step : list_of("steps", abi.steps, abi.step_count)) {
      plugin.steps.push_back(read(step));
    }
    if (plugin.movers.empty() && plugin.steps.empty()) {
      throw refusal(path_, "it brings neither a mover nor a step");
    }
    require_different(plugin.movers, "movers");
    require_different(plugin.steps, "steps");
    return plugin;
  }

 private:
  PluginMover read(const sqlbk_mover* abi) const {
    require_part("a mover", abi);
    require_size("a mover", *abi, sizeof(sqlbk_mover));
    PluginMover mover;
    mover.name = name_of("a mover", abi->name);
    const std::string what = "the mover " + quoted(mover.name);
    mover.summary = text_of("the summary of " + what, abi->summary);
    require_traits(what, abi->traits, SQLBK_MOVER_SHARES_EXTENTS);
    mover.shares_extents = (abi->traits & SQLBK_MOVER_SHARES_EXTENTS) != 0;
    if (abi->move == nullptr) throw refusal(path_, what + " has no function move");
    mover.abi = abi;
    return mover;
  }

  PluginStep read(const sqlbk_step* abi) const {
    require_part("a step", abi);
    require_size("a step", *abi, sizeof(sqlbk_step));
    PluginStep step;
    step.name = name_of("a step", abi->name);
    const std::string what = "the step " + quoted(step.name);
    step.summary = text_of("the summary of " + what, abi->summary);
    if (abi->argument != nullptr) step.argument = abi->argument;
    require_traits(what, abi->traits, SQLBK_STEP_CHANGES_IMAGE | SQLBK_STEP_READS_CONTENT);
    step.traits.changes_image = (abi->traits & SQLBK_STEP_CHANGES_IMAGE) != 0;
    step.traits.reads_content = (abi->traits & SQLBK_STEP_READS_CONTENT) != 0;
    if (abi->run == nullptr) throw refusal(path_, what + " has no function run");
    step.abi = abi;
    return step;
  }

  Error too_small(const std::string& what, std::uint32_t size) const {
    return refusal(path_, what + " is too small: its size is " + std::to_string(size));
  }

  template <typename Struct>
  void require_size(const std::string& what, const Struct& abi, std::size_t least) const {
    if (abi.size < least) throw too_small(what, abi.size);
  }

  void require_part(const std::string& what, const void* part) const {
    if (part == nullptr) throw refusal(path_, what + " of its list is NULL");
  }

  void require_traits(const std::string& what, std::uint32_t traits, std::uint32_t known) const {
    if ((traits & ~known) == 0) return;
    throw refusal(path_, what + " has traits that this sqlbk does not know: " +
                             std::to_string(traits & ~known));
  }

  std::string name_of(const std::string& what, const char* name) const {
    if (name == nullptr) throw refusal(path_, what + " has no name");
    if (!is_name(name)) {
      throw refusal(path_, what + " has the name " + quoted(name) +
                               ", but names are a letter a-z, then up to 31 of a-z, 0-9, _ and -");
    }
    return name;
  }

  std::string text_of(const std::string& what, const char* text) const {
    if (text == nullptr || *text == '\0') throw refusal(path_, what + " is missing");
    return text;
  }

  template <typename Part>
  std::span<const Part* const> list_of(const std::string& what, const Part* const* parts,
                                       std::uint32_t count) const {
    if (count == 0) return {};
    if (parts == nullptr || count > kMostParts) {
      throw refusal(path_, "its list of " + what + " is broken: " + std::to_string(count) +
                               (parts == nullptr ? " parts at NULL" : " parts"));
    }
    return {parts, count};
  }

  template <typename Parts>
  void require_different(const Parts& parts, const std::string& what) const {
    for (const auto& part : parts) {
      if (std::ranges::count(parts, part.name, [](const auto& other) { return other.name; }) > 1) {
        throw refusal(path_, "two of its " + what + " have the name " + quoted(part.name));
      }
    }
  }

  const std::string& path_;
};

}  // namespace

Plugin load_plugin(const std::string& path) {
  const sqlbk_plugin_entry_v1_fn entry = load_entry(path);
  PluginCall call("the plug-in " + quoted(path), nullptr, 0);
  const sqlbk_plugin* abi = nullptr;
  try {
    abi = call.run([entry](const sqlbk_host* host) { return entry(host); });
  } catch (Error& error) {
    error.with_code(Errc::usage).with_path(path);
    error.add_context("unable to load the plug-in " + quoted(path));
    throw;
  }
  if (abi == nullptr) throw refusal(path, "it refuses to work here" + call.reasons());
  return Reader(path).read(*abi);
}

}  // namespace sqlbk
