#include <memory>
#include <utility>

#include <nlohmann/json.hpp>

#include "command.hpp"
#include "inspection.hpp"
#include "inspection_json.hpp"
#include "inspection_text.hpp"
#include "json_output.hpp"
#include "sqlbk/core/error.hpp"
#include "unexpected.hpp"

namespace sqlbk::tool {
namespace {

constexpr const char* kHelp =
    "usage: sqlbk inspect [--json] DATABASE\n\n"
    "Tells what a database is, what its WAL and journal hold, who has it open, who holds which\n"
    "lock, and what 'sqlbk copy' would do and why. Touches nothing: no lock, no connection, no\n"
    "write. Run as root it sees the programs of all users.\n\n"
    "  --json       one JSON object on standard output, errors included\n"
    "  -h, --help   this text\n";

struct InspectCommand {
  bool help = false;
  bool json = false;
  std::vector<std::string> operands;
  std::string unknown_option;
};

// Understands all that it can, so that --json counts wherever the mistake is.
InspectCommand read_arguments(const std::vector<std::string>& arguments) {
  InspectCommand command;
  bool options_end = false;
  for (const std::string& argument : arguments) {
    if (options_end || argument == "-" || !argument.starts_with('-')) {
      command.operands.push_back(argument);
    } else if (argument == "--") {
      options_end = true;
    } else if (argument == "--help" || argument == "-h") {
      command.help = true;
    } else if (argument == "--json") {
      command.json = true;
    } else if (command.unknown_option.empty()) {
      command.unknown_option = argument;
    }
  }
  return command;
}

void require_one_database(const InspectCommand& command) {
  const std::string hint = "sqlbk inspect [--json] DATABASE";
  if (!command.unknown_option.empty()) {
    throw Error(Errc::usage,
                "'sqlbk inspect' does not know " + sqlbk::quoted(command.unknown_option))
        .with_hint(hint);
  }
  if (command.operands.size() != 1 || command.operands[0].empty()) {
    throw Error(Errc::usage, "'sqlbk inspect' takes one database, but " +
                                 std::to_string(command.operands.size()) +
                                 (command.operands.size() == 1 ? " empty name was" : " were") +
                                 " given")
        .with_hint(hint);
  }
}

void print_object(nlohmann::json object, const InspectCommand& command, int exit_code,
                  nlohmann::json error) {
  object["command"] = "inspect";
  object["version"] = SQLBK_VERSION;
  object["database"] = command.operands.size() == 1 ? command.operands[0] : "";
  object["exit_code"] = exit_code;
  object["error"] = std::move(error);
  print_json(standard_output(), object);
}

// Its errors say in a field of their own which database it was.
Inspection inspect_named(const std::string& database, const StrategyChooser& automatic) {
  try {
    return inspect(database, automatic);
  } catch (Error& error) {
    error.with_source(database);
    throw;
  }
}

}  // namespace

int run_inspect(const std::vector<std::string>& arguments, const Registry& registry) {
  const InspectCommand command = read_arguments(arguments);
  if (command.help) {
    standard_output().own(kHelp);
    return 0;
  }
  try {
    require_one_database(command);
    const std::unique_ptr<StrategyChooser> automatic = registry.strategy("auto");
    const Inspection inspection =
        with_errors_only([&] { return inspect_named(command.operands[0], *automatic); });
    if (command.json) {
      print_object(to_json(inspection), command, 0, nullptr);
    } else {
      print_inspection(standard_output(), inspection);
    }
    return 0;
  } catch (const Error& error) {
    if (command.json) {
      print_object(empty_inspection_json(), command, errc_info(error.code()).exit_code,
                   to_json(error));
    }
    throw;
  }
}

}  // namespace sqlbk::tool
