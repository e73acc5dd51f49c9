#include "figures.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>

#include "../../print.hpp"

namespace sqlbk::tool::bench::page {
namespace {

constexpr const char* kNone = "–";

std::string rounded(double value, int decimals) {
  std::array<char, 512> text{};
  static_cast<void>(std::snprintf(text.data(), text.size(), "%.*f", decimals, value));
  return text.data();
}

// 999.6 counts as 1000: it would have four digits.
std::string three_digits(double value) {
  if (value >= 99.95) return rounded(value, 0);
  return rounded(value, value >= 9.995 ? 1 : 2);
}

// "2.50 s" to "2.5 s".
std::string without_zeros(std::string text) {
  const std::size_t point = text.find('.');
  if (point == std::string::npos) return text;
  const std::size_t end = std::min(text.find_first_not_of("0123456789", point + 1), text.size());
  std::size_t kept = end;
  while (text[kept - 1] == '0') --kept;
  if (text[kept - 1] == '.') --kept;
  return text.erase(kept, end - kept);
}

}  // namespace

std::string seconds_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return kNone;
  if (seconds == 0) return "0 s";
  if (seconds < 0.9995e-3) return three_digits(seconds * 1e6) + " µs";
  if (seconds < 0.9995) return three_digits(seconds * 1e3) + " ms";
  return three_digits(seconds) + " s";
}

std::string number_text(double value) {
  if (!std::isfinite(value) || value < 0) return kNone;
  if (value == 0) return "0";
  std::string text = three_digits(value);
  if (value < 9999.5) return text;
  for (std::size_t end = text.size(); end > 3;) {
    end -= 3;
    text.insert(end, "\u202f");  // a narrow space that no line breaks at
  }
  return text;
}

std::string round_seconds_text(double seconds) {
  return without_zeros(seconds_text(seconds));
}

std::string round_number_text(double value) {
  return without_zeros(number_text(value));
}

std::string percent_text(double share) {
  if (!std::isfinite(share) || share < 0) return kNone;
  const double percent = share * 100;
  return rounded(percent, percent > 0 && percent < 9.95 ? 1 : 0) + " %";
}

std::string size_text(std::uint64_t bytes) {
  return without_zeros(format_bytes(bytes));
}

unsigned bad_of(const LiveTiming& timing) noexcept {
  return timing.torn + timing.stale + timing.unreadable;
}

unsigned made_of(const LiveTiming& timing) noexcept {
  return timing.good + bad_of(timing);
}

unsigned all_of(const LiveTiming& timing) noexcept {
  return made_of(timing) + timing.refused + timing.timed_out;
}

std::string counted(std::uint64_t count, const std::string& what) {
  return std::to_string(count) + ' ' + what + (count == 1 ? "" : "s");
}

}  // namespace sqlbk::tool::bench::page
