#include "print.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <map>
#include <utility>

namespace sqlbk::tool {
namespace {

std::string with_unit(double value, int decimals, const char* unit) {
  std::array<char, 64> text{};
  static_cast<void>(std::snprintf(text.data(), text.size(), "%.*f %s", decimals, value, unit));
  return text.data();
}

}  // namespace

std::string now_in_utc() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  std::array<char, 32> text{};
  static_cast<void>(
      std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", ::gmtime_r(&now, &parts)));
  return text.data();
}

void print_error(TextOutput& out, const Error& error) {
  out << "sqlbk: " << error.what() << '\n';
  if (!error.hint().empty()) out << "hint: " << error.hint() << '\n';
}

void print_exit_codes(TextOutput& out) {
  constexpr std::array<std::pair<int, const char*>, 8> kMeanings{{
      {0, "done"},
      {1, "failed: I/O, no space, permission and the like"},
      {2, "wrong usage"},
      {3, "damage found"},
      {4, "no consistent copy within the tries, the deadline or the lock budget"},
      {5, "the destination exists or is in use"},
      {6, "not a database that sqlbk can handle"},
      {130, "interrupted"},
  }};
  out << "exit codes:\n";
  for (const auto& [code, meaning] : kMeanings) {
    out << "  " << code << std::string(code < 10 ? 5 : 3, ' ') << meaning << '\n';
  }
  out << "Whatever the failure: no destination, no temporary files, source untouched; where a "
         "copy\n"
         "stands all the same (only its manifest could not be written), the message says so.\n";
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return with_unit(value, unit == 0 ? 0 : 1, kUnits[unit]);
}

std::string format_duration(std::chrono::nanoseconds time) {
  const double seconds = std::chrono::duration<double>(time).count();
  if (seconds < 1) return with_unit(seconds * 1000, 1, "ms");
  if (seconds < 60) return with_unit(seconds, 1, "s");
  const auto whole = static_cast<long>(seconds);
  std::array<char, 32> text{};
  static_cast<void>(
      std::snprintf(text.data(), text.size(), "%ld:%02ld min", whole / 60, whole % 60));
  return text.data();
}

std::chrono::microseconds parse_short_duration(const std::string& text, const std::string& option) {
  const bool plain = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  if (plain && text.size() < 10) return std::chrono::microseconds(std::stol(text));
  if (text.ends_with("us")) {
    return parse_short_duration(text.substr(0, text.size() - 2), option);
  }
  return parse_duration(text, option);
}

std::uint64_t parse_bytes(const std::string& text, const std::string& option) {
  const std::map<std::string, unsigned> units{
      {"", 0},     {"B", 0},  {"K", 10},  {"KB", 10},  {"KiB", 10}, {"M", 20},  {"MB", 20},
      {"MiB", 20}, {"G", 30}, {"GB", 30}, {"GiB", 30}, {"T", 40},   {"TB", 40}, {"TiB", 40}};
  const std::size_t digits = text.find_first_not_of("0123456789");
  const auto unit = units.find(digits == std::string::npos ? "" : text.substr(digits));
  if (text.empty() || digits == 0 || std::min(digits, text.size()) > 12 || unit == units.end()) {
    throw Error(Errc::usage, "the value " + sqlbk::quoted(text) + " of --" + option + " is no size")
        .with_hint("a number and a unit, as 64K, 10M or 1G");
  }
  const std::uint64_t number = std::stoull(text.substr(0, digits));
  if (number > std::numeric_limits<std::uint64_t>::max() >> unit->second) {
    throw Error(Errc::usage,
                "the value " + sqlbk::quoted(text) + " of --" + option + " is too large")
        .with_hint("a number and a unit, as 64K, 10M or 1G");
  }
  return number << unit->second;
}

std::chrono::milliseconds parse_duration(const std::string& text, const std::string& option) {
  const std::map<std::string, double> units{{"", 1000},    {"s", 1000},     {"ms", 1},
                                            {"m", 60'000}, {"min", 60'000}, {"h", 3'600'000}};
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const auto unit = units.find(end);
  // A day is more than any lock or run should last; it also keeps the sum within its type.
  const bool good = end != text.c_str() && unit != units.end() && std::isfinite(value) &&
                    value >= 0 && value * unit->second <= 86'400'000.0 * 365;
  if (!good) {
    throw Error(Errc::usage,
                "the value " + sqlbk::quoted(text) + " of --" + option + " is no duration")
        .with_hint(option == "timeout" ? "a number and a unit, as 500ms, 90s, 5m or 2h; or none"
                                       : "a number and a unit, as 500ms, 90s, 5m or 2h");
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::llround(value * unit->second)));
}

}  // namespace sqlbk::tool
