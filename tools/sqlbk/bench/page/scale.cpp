#include "scale.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace sqlbk::tool::bench::page {
namespace {

constexpr std::array kRoundSteps{1.0, 2.0, 5.0};
// Rounding must not cost the last tick.
constexpr double kNearlyOne = 1 + 1e-9;

// The largest of 1, 2 and 5 times a power of ten that is not above the value.
double rounded_down(double value) {
  const double power = std::pow(10, std::floor(std::log10(value)));
  double result = power;
  for (const double step : kRoundSteps) {
    if (step * power <= value * kNearlyOne) result = step * power;
  }
  return result;
}

double rounded_up(double value) {
  const double down = rounded_down(value);
  if (value <= down * kNearlyOne) return down;
  for (const double factor : {2.0, 2.5}) {
    const double up = down * factor;
    if (up >= value && std::abs(rounded_down(up) / up - 1) < 1e-6) return up;
  }
  return down * 2.5;
}

}  // namespace

LinearScale::LinearScale(double most, double from, double to)
    : most_(most > 0 ? most : 1), from_(from), to_(to) {}

double LinearScale::at(double value) const {
  return from_ + (to_ - from_) * std::clamp(value / most_, 0.0, 1.0);
}

std::vector<Tick> LinearScale::ticks(const TickText& text) const {
  const double step = rounded_up(most_ / 4);
  std::vector<Tick> result;
  for (int i = 0; i * step <= most_ * kNearlyOne; ++i) result.push_back({i * step, text(i * step)});
  return result;
}

LogScale::LogScale(double least, double most, double from, double to)
    : least_(rounded_down(least > 0 ? least : 1)),
      most_(rounded_up(std::max(most, least_ * 1.001))),
      from_(from),
      to_(to) {}

double LogScale::at(double value) const {
  const double kept = std::clamp(value, least_, most_);
  return from_ + (to_ - from_) * std::log(kept / least_) / std::log(most_ / least_);
}

std::vector<Tick> LogScale::ticks(const TickText& text) const {
  const double decades = std::log10(most_ / least_);
  std::vector<Tick> result;
  const auto first = static_cast<int>(std::floor(std::log10(least_ * kNearlyOne)));
  const auto last = static_cast<int>(std::floor(std::log10(most_ * kNearlyOne)));
  for (int exponent = first; exponent <= last; ++exponent) {
    const double power = std::pow(10, exponent);
    for (const double step : kRoundSteps) {
      const double value = step * power;
      if (step != 1 && decades > 2.2) continue;
      if (value * kNearlyOne < least_ || value > most_ * kNearlyOne) continue;
      result.push_back({value, text(value)});
    }
  }
  return result;
}

}  // namespace sqlbk::tool::bench::page
