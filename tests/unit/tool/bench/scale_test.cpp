#include "bench/page/scale.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "bench/page/figures.hpp"

namespace sqlbk::tool::bench::page {
namespace {

std::string labels(const std::vector<Tick>& ticks) {
  std::string text;
  for (const Tick& tick : ticks) text += (text.empty() ? "" : " ") + tick.label;
  return text;
}

TEST(LinearScale, BeginsAtZero) {
  const LinearScale scale(50, 0, 100);
  EXPECT_DOUBLE_EQ(scale.at(0), 0);
  EXPECT_DOUBLE_EQ(scale.at(25), 50);
  EXPECT_DOUBLE_EQ(scale.at(500), 100);
  EXPECT_EQ(labels(scale.ticks(round_number_text)), "0 20 40");
}

TEST(LinearScale, HasAFewRoundTicksWhateverTheRange) {
  for (int step = 0; step < 88; ++step) {
    const double most = 1e-6 * std::pow(1.37, step);  // to 1e6
    const auto ticks = LinearScale(most, 0, 1).ticks(round_number_text);
    EXPECT_GE(ticks.size(), 2U) << most;
    EXPECT_LE(ticks.size(), 5U) << most;
    EXPECT_LE(ticks.back().value, most * 1.001);
  }
  EXPECT_GE(LinearScale(0, 0, 1).ticks(round_number_text).size(), 2U) << "nothing to show";
}

TEST(LogScale, EndsAtRoundValues) {
  const LogScale scale(0.013, 0.8, 0, 100);
  EXPECT_DOUBLE_EQ(scale.at(0.01), 0);
  EXPECT_DOUBLE_EQ(scale.at(1), 100);
  EXPECT_DOUBLE_EQ(scale.at(0.1), 50);
  EXPECT_DOUBLE_EQ(scale.at(0), 0) << "has no place of its own";
  EXPECT_EQ(labels(scale.ticks(round_seconds_text)), "10 ms 20 ms 50 ms 100 ms 200 ms 500 ms 1 s");
}

TEST(LogScale, OneValueIsARangeToo) {
  const LogScale scale(0.5, 0.5, 0, 100);
  EXPECT_DOUBLE_EQ(scale.at(0.5), 0);
  EXPECT_DOUBLE_EQ(scale.at(1), 100);
}

TEST(LogScale, AWideRangeHasPowersOfTenOnly) {
  EXPECT_EQ(labels(LogScale(1e-5, 1, 0, 1).ticks(round_seconds_text)),
            "10 µs 100 µs 1 ms 10 ms 100 ms 1 s");
}

TEST(LogRange, LeavesOutWhatHasNoLogarithm) {
  LogRange range;
  range.add(0);
  EXPECT_TRUE(range.is_empty());
  range.add(2);
  range.add(20);
  EXPECT_FALSE(range.is_empty());
  EXPECT_DOUBLE_EQ(range.scale(0, 1).at(20), 1);
}

}  // namespace
}  // namespace sqlbk::tool::bench::page
