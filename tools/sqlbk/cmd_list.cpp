#include <algorithm>
#include <memory>

#include <nlohmann/json.hpp>

#include "command.hpp"
#include "json_output.hpp"
#include "plugins.hpp"
#include "print.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::tool {
namespace {

constexpr const char* kHelp =
    "usage: sqlbk list [--json] [--plugin FILE]...\n\n"
    "Lists the copy strategies for 'sqlbk copy --strategy' and the post-steps for '--then',\n"
    "with what each promises and does.\n\n"
    "  --json         one JSON object on standard output\n"
    "  --plugin FILE  also what that plug-in brings; may be given more than once\n";

constexpr std::string_view kPluginIs = "--plugin=";

nlohmann::json as_json(const Plugin& plugin) {
  nlohmann::json movers = nlohmann::json::array();
  for (const PluginMover& mover : plugin.movers) {
    movers.push_back({{"name", mover.name}, {"summary", mover.summary}});
  }
  nlohmann::json steps = nlohmann::json::array();
  for (const PluginStep& step : plugin.steps) steps.push_back(step.name);
  return {{"file", plugin.path},
          {"name", plugin.name},
          {"version", plugin.version},
          {"movers", movers},
          {"steps", steps}};
}

nlohmann::json list_as_json(const Registry& registry, const std::vector<Plugin>& plugins) {
  nlohmann::json strategies = nlohmann::json::array();
  for (const StrategyEntry& entry : registry.strategies()) {
    const std::unique_ptr<StrategyChooser> strategy = entry.make();
    const StrategyTraits traits = strategy->traits();
    strategies.push_back({{"name", entry.spec},
                          {"summary", strategy->summary()},
                          {"takes_locks", traits.takes_locks},
                          {"opens_with_sqlite", traits.opens_with_sqlite},
                          {"handles_live_writer", traits.handles_live_writer},
                          {"reads_content", traits.reads_content},
                          {"can_deliver_wal", traits.can_deliver_wal}});
  }
  nlohmann::json steps = nlohmann::json::array();
  for (const StepEntry& entry : registry.steps()) {
    steps.push_back(
        {{"name", entry.name}, {"argument", entry.argument}, {"summary", entry.summary}});
  }
  nlohmann::json plugin_list = nlohmann::json::array();
  for (const Plugin& plugin : plugins) plugin_list.push_back(as_json(plugin));
  return {{"strategies", strategies}, {"steps", steps}, {"plugins", plugin_list}};
}

constexpr std::size_t kWidth = 20;

void print_padded(const std::string& name, std::size_t width, std::string_view text) {
  standard_output() << "  " << name
                    << std::string(width > name.size() ? width - name.size() : 1, ' ') << text
                    << '\n';
}

void print_plugin(const Plugin& plugin, std::size_t width) {
  standard_output() << "\nplug-in " << plugin.name << ' ' << plugin.version << " (" << plugin.path
                    << "):\n";
  for (const PluginMover& mover : plugin.movers) {
    print_padded("mover " + mover.name, width, mover.summary);
  }
  for (const PluginStep& step : plugin.steps) {
    print_padded("step " + step.name, width, step.summary);
  }
}

std::string notes_on(const StrategyTraits& traits) {
  std::string notes = "copies under a live writer";
  if (traits.is_mover) {
    notes = "fails when somebody writes meanwhile";
  } else if (!traits.handles_live_writer) {
    notes = "copies under most live writers: holds nobody up, so it may have to give up";
  }
  if (traits.takes_locks) notes += "; takes read locks";
  if (traits.opens_with_sqlite) notes += "; opens the source with SQLite";
  if (traits.can_deliver_wal) notes += "; --keep-wal";
  return notes;
}

// "lock" of "lock+range", where that is there itself.
std::string base_of(const std::string& spec, const Registry& registry) {
  const std::string base = spec.substr(0, spec.find('+'));
  const bool is_listed = std::ranges::find(registry.strategies(), base, &StrategyEntry::spec) !=
                         registry.strategies().end();
  return is_listed ? base : spec;
}

void print_strategies(const Registry& registry) {
  standard_output() << "strategies (sqlbk copy --strategy NAME):\n";
  for (const StrategyEntry& entry : registry.strategies()) {
    if (base_of(entry.spec, registry) != entry.spec) continue;
    const std::unique_ptr<StrategyChooser> strategy = entry.make();
    print_padded(entry.spec, kWidth, strategy->summary());
    print_padded("", kWidth, notes_on(strategy->traits()));
    std::string variants;
    for (const StrategyEntry& other : registry.strategies()) {
      if (other.spec == entry.spec || base_of(other.spec, registry) != entry.spec) continue;
      variants += (variants.empty() ? "by a mover of your choice: " : ", ") + other.spec;
    }
    if (!variants.empty()) print_padded("", kWidth, variants);
  }
}

void print_list(const Registry& registry, const std::vector<Plugin>& plugins) {
  print_strategies(registry);
  standard_output() << "\nsteps (sqlbk copy --then NAME[=ARGUMENT]):\n";
  for (const StepEntry& entry : registry.steps()) {
    print_padded(entry.name, kWidth, entry.summary);
    if (!entry.argument.empty()) print_padded("", kWidth, "=" + entry.argument);
  }
  for (const Plugin& plugin : plugins) print_plugin(plugin, kWidth);
}

}  // namespace

int run_list(const std::vector<std::string>& arguments, const Registry& registry) {
  bool json = false;
  std::vector<std::string> plugin_files;
  for (auto next = arguments.begin(); next != arguments.end(); ++next) {
    const std::string& argument = *next;
    if (argument == "--help" || argument == "-h") {
      standard_output().own(kHelp);
      return 0;
    }
    if (argument == "--json") {
      json = true;
    } else if (argument.starts_with(kPluginIs)) {
      plugin_files.push_back(argument.substr(kPluginIs.size()));
    } else if (argument == "--plugin") {
      if (++next == arguments.end()) throw Error(Errc::usage, "--plugin needs a file");
      plugin_files.push_back(*next);
    } else {
      throw Error(Errc::usage, "'sqlbk list' does not know " + sqlbk::quoted(argument))
          .with_hint("see 'sqlbk list --help'");
    }
  }
  Registry parts = registry;
  const std::vector<Plugin> plugins = load_plugins(plugin_files, parts);
  if (json) {
    print_json(standard_output(), list_as_json(parts, plugins));
  } else {
    print_list(parts, plugins);
  }
  return 0;
}

}  // namespace sqlbk::tool
