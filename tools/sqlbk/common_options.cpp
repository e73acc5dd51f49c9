#include "common_options.hpp"

#include <cstdlib>
#include <iostream>

#include "sqlbk/core/error.hpp"

namespace sqlbk::tool {
namespace {

LogLevel parse_log_level(const std::string& text) {
  for (const LogLevel level :
       {LogLevel::error, LogLevel::warning, LogLevel::info, LogLevel::debug}) {
    if (text == to_string(level)) return level;
  }
  throw Error(Errc::usage, "the value " + sqlbk::quoted(text) + " of SQLBK_LOG is not known")
      .with_hint("one of: error, warning, info, debug");
}

}  // namespace

LogLevel log_level_asked(bool debug) {
  const char* const level = std::getenv("SQLBK_LOG");
  const LogLevel asked = level != nullptr ? parse_log_level(level) : LogLevel::warning;
  return debug ? LogLevel::debug : asked;
}

LogSink make_log_sink(LogLevel most) {
  return [most](LogLevel level, const std::string& message) {
    if (level <= most) std::cerr << to_string(level) << ": " << message << '\n';
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
