#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include "command.hpp"
#include "json_output.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::tool {
namespace {

constexpr const char* kHelp =
    "usage: sqlbk list [--json]\n\n"
    "Lists the copy strategies for 'sqlbk copy --strategy' and the post-steps for '--then',\n"
    "with what each promises and does.\n";

nlohmann::json list_as_json(const Registry& registry) {
  nlohmann::json strategies = nlohmann::json::array();
  for (const StrategyEntry& entry : registry.strategies()) {
    const std::unique_ptr<CopyStrategy> strategy = entry.make();
    const StrategyTraits traits = strategy->traits();
    strategies.push_back({{"name", entry.spec},
                          {"summary", strategy->summary()},
                          {"takes_locks", traits.takes_locks},
                          {"opens_with_sqlite", traits.opens_with_sqlite},
                          {"handles_live_writer", traits.handles_live_writer},
                          {"can_deliver_wal", traits.can_deliver_wal}});
  }
  nlohmann::json steps = nlohmann::json::array();
  for (const StepEntry& entry : registry.steps()) {
    steps.push_back(
        {{"name", entry.name}, {"argument", entry.argument}, {"summary", entry.summary}});
  }
  return {{"strategies", strategies}, {"steps", steps}};
}

void print_padded(const std::string& name, std::size_t width, std::string_view text) {
  std::cout << "  " << name << std::string(width > name.size() ? width - name.size() : 1, ' ')
            << text << '\n';
}

void print_list(const Registry& registry) {
  constexpr std::size_t kWidth = 20;
  std::cout << "strategies (sqlbk copy --strategy NAME):\n";
  for (const StrategyEntry& entry : registry.strategies()) {
    const std::unique_ptr<CopyStrategy> strategy = entry.make();
    print_padded(entry.spec, kWidth, strategy->summary());
    const StrategyTraits traits = strategy->traits();
    std::string notes = traits.handles_live_writer ? "copies under a live writer"
                                                   : "fails when somebody writes meanwhile";
    if (traits.takes_locks) notes += "; takes read locks";
    if (traits.opens_with_sqlite) notes += "; opens the source with SQLite";
    if (traits.can_deliver_wal) notes += "; --keep-wal";
    print_padded("", kWidth, notes);
  }
  std::cout << "\nsteps (sqlbk copy --then NAME[=ARGUMENT]):\n";
  for (const StepEntry& entry : registry.steps()) {
    print_padded(entry.name, kWidth, entry.summary);
    if (!entry.argument.empty()) print_padded("", kWidth, "=" + entry.argument);
  }
}

}  // namespace

int run_list(const std::vector<std::string>& arguments, const Registry& registry) {
  bool json = false;
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      std::cout << kHelp;
      return 0;
    }
    if (argument != "--json") {
      throw Error(Errc::usage, "'sqlbk list' does not know " + sqlbk::quoted(argument))
          .with_hint("see 'sqlbk list --help'");
    }
    json = true;
  }
  if (json) {
    print_json(std::cout, list_as_json(registry));
  } else {
    print_list(registry);
  }
  return 0;
}

}  // namespace sqlbk::tool
