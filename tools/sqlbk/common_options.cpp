#include "common_options.hpp"

#include <cstdlib>
#include <sstream>

#include "terminal.hpp"

namespace sqlbk::tool {
namespace {

namespace po = boost::program_options;

LogLevel parse_log_level(const std::string& text) {
  for (const LogLevel level :
       {LogLevel::error, LogLevel::warning, LogLevel::info, LogLevel::debug}) {
    if (text == to_string(level)) return level;
  }
  throw Error(Errc::usage, "the value " + sqlbk::quoted(text) + " of SQLBK_LOG is not known")
      .with_hint("one of: error, warning, info, debug");
}

std::string help_of(std::string_view command) {
  return "see 'sqlbk " + std::string(command) + " --help'";
}

}  // namespace

void hint_at_help(Error& error, std::string_view command) {
  if (error.code() == Errc::usage && !error.has_own_hint()) error.with_hint(help_of(command));
}

po::variables_map parse_arguments(po::options_description options,
                                  const std::vector<std::string>& arguments,
                                  const std::string& command) {
  options.add_options()("operand", po::value<std::vector<std::string>>());
  po::positional_options_description operands;
  operands.add("operand", -1);
  po::variables_map given;
  try {
    // No guessing: an abbreviation that works today could mean something else tomorrow.
    namespace style = po::command_line_style;
    po::store(po::command_line_parser(arguments)
                  .options(options)
                  .positional(operands)
                  .style(style::unix_style & ~style::allow_guessing)
                  .run(),
              given);
    po::notify(given);
  } catch (const po::error& error) {
    throw Error(Errc::usage, error.what()).with_hint(help_of(command));
  }
  return given;
}

std::string text_of(const po::options_description& options) {
  std::ostringstream text;
  text << options;
  return text.str();
}

LogLevel log_level_asked(bool debug) {
  const char* const level = std::getenv("SQLBK_LOG");
  const LogLevel asked = level != nullptr ? parse_log_level(level) : LogLevel::warning;
  return debug ? LogLevel::debug : asked;
}

LogSink make_log_sink(LogLevel most) {
  return [most](LogLevel level, const std::string& message) {
    if (level <= most) standard_error() << to_string(level) << ": " << message << '\n';
  };
}

bool has_flag(const std::vector<std::string>& arguments, std::string_view flag) {
  for (const std::string& argument : arguments) {
    if (argument == flag) return true;
    if (argument == "--") break;
  }
  return false;
}

}  // namespace sqlbk::tool
