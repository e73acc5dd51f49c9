// The tool's only place that names every part: libraries register here, commands are listed here.
#include <array>
#include <cerrno>
#include <exception>
#include <string>
#include <vector>

#include "command.hpp"
#include "common_options.hpp"
#include "print.hpp"
#include "signals.hpp"
#include "sqlbk/checkpoint/builtin.hpp"
#include "sqlbk/copy/builtin.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "unexpected.hpp"

namespace sqlbk::tool {
namespace {

constexpr std::array kCommands{
    Command{"copy", "take a consistent copy of a database that others may be using", run_copy},
    Command{"verify", "whether databases are sound, without changing anything", run_verify},
    Command{"inspect", "what a database is, who holds it, and what a copy of it would do",
            run_inspect},
    Command{"list", "the copy strategies and post-steps that there are", run_list},
    Command{"bench", "measure copies by sqlbk beside those by other tools, and check them",
            run_bench},
    Command{"demo", "copy a small database while it is written, and show what happens", run_demo},
};

Registry builtin_registry() {
  Registry registry;
  copy::register_builtin_strategies(registry);
  checkpoint::register_builtin_steps(registry);
  return registry;
}

void print_help(TextOutput& out) {
  out << "sqlbk: safe, fast copies of SQLite databases while other programs use them\n\n"
         "usage: sqlbk COMMAND [options] ...\n\n";
  for (const Command& command : kCommands) {
    out << "  " << command.name << std::string(9 - command.name.size(), ' ') << command.summary
        << '\n';
  }
  out << "\n  sqlbk COMMAND --help   the options of a command\n"
         "  sqlbk --version        sqlbk, the SQLite linked, the movers\n\n"
         "example: sqlbk copy app.db backup.db\n\n";
  print_exit_codes(out);
}

void print_version(TextOutput& out) {
  out << "sqlbk " SQLBK_VERSION "\nSQLite " << sqlite::library_version() << "\nmovers";
  const Registry registry = builtin_registry();
  for (const StrategyEntry& entry : registry.strategies()) {
    const std::unique_ptr<StrategyChooser> strategy = entry.make();
    if (strategy->traits().is_mover) out << ' ' << entry.spec;
  }
  out << '\n';
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" ||
      arguments[0] == "help") {
    print_help(standard_output());
    return 0;
  }
  if (arguments[0] == "--version") {
    print_version(standard_output());
    return 0;
  }
  for (const Command& command : kCommands) {
    if (arguments[0] != command.name) continue;
    try {
      return command.run({arguments.begin() + 1, arguments.end()}, builtin_registry());
    } catch (Error& error) {
      hint_at_help(error, command.name);
      throw;
    }
  }
  throw Error(Errc::usage, "there is no command " + sqlbk::quoted(arguments[0]))
      .with_hint("see 'sqlbk --help'");
}

void require_written(TextOutput& out) {
  out.flush();
  if (!out.failed()) return;
  Error error = system_error("write to", "standard output", out.os_errno());
  if (out.os_errno() == EPIPE) error.with_hint("let the program that reads it read to its end");
  throw Error(error);
}

}  // namespace

std::span<const Command> commands() noexcept {
  return kCommands;
}

}  // namespace sqlbk::tool

int main(int argc, char** argv) {
  namespace tool = sqlbk::tool;
  try {
    tool::outlive_failed_writes();
    sqlbk::sqlite::disable_memory_statistics();
    const int exit_code = tool::run({argv + 1, argv + argc});
    tool::require_written(tool::standard_output());
    return exit_code;
  } catch (const sqlbk::Error& error) {
    tool::print_error(tool::standard_error(), error);
    return sqlbk::errc_info(error.code()).exit_code;
  } catch (const std::exception& error) {
    tool::print_error(tool::standard_error(), tool::unexpected_error(error));
  }
  return 1;
}
