#include "print.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <ostream>
#include <utility>

namespace sqlbk::tool {
namespace {

std::string with_unit(double value, int decimals, const char* unit) {
  std::array<char, 64> text{};
  static_cast<void>(std::snprintf(text.data(), text.size(), "%.*f %s", decimals, value, unit));
  return text.data();
}

}  // namespace

void print_error(std::ostream& out, const Error& error) {
  out << "sqlbk: " << error.what() << '\n';
  if (!error.hint().empty()) out << "hint: " << error.hint() << '\n';
}

void print_exit_codes(std::ostream& out) {
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
  out << "Whatever the failure: no destination, no temporary files, source untouched.\n";
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
        .with_hint("a number and a unit, as 500ms, 90s, 5m or 2h");
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::llround(value * unit->second)));
}

}  // namespace sqlbk::tool
