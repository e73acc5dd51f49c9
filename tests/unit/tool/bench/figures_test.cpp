#include "bench/page/figures.hpp"

#include <limits>

#include <gtest/gtest.h>

namespace sqlbk::tool::bench::page {
namespace {

TEST(Figures, SecondsHaveThreeDigitsAndAUnit) {
  EXPECT_EQ(seconds_text(0), "0 s");
  EXPECT_EQ(seconds_text(0.000'016), "16.0 µs");
  EXPECT_EQ(seconds_text(0.084), "84.0 ms");
  EXPECT_EQ(seconds_text(0.9996), "1.00 s");
  EXPECT_EQ(seconds_text(0.09996), "100 ms");
  EXPECT_EQ(seconds_text(125.4), "125 s");
  EXPECT_EQ(seconds_text(-1), "–");
  EXPECT_EQ(seconds_text(std::numeric_limits<double>::quiet_NaN()), "–");
}

TEST(Figures, AxesHaveNoNeedlessZeros) {
  EXPECT_EQ(round_seconds_text(0.05), "50 ms");
  EXPECT_EQ(round_seconds_text(2.5), "2.5 s");
  EXPECT_EQ(round_seconds_text(100), "100 s");
  EXPECT_EQ(round_number_text(0.5), "0.5");
}

TEST(Figures, LongNumbersAreGrouped) {
  EXPECT_EQ(number_text(9999), "9999");
  EXPECT_EQ(number_text(12'345), "12\u202f345");
  EXPECT_EQ(number_text(1'234'567), "1\u202f234\u202f567");
  EXPECT_EQ(number_text(4.206), "4.21");
}

TEST(Figures, SharesAndSizes) {
  EXPECT_EQ(percent_text(0.974), "97 %");
  EXPECT_EQ(percent_text(0.004), "0.4 %");
  EXPECT_EQ(percent_text(0), "0 %");
  EXPECT_EQ(size_text(64U << 20U), "64 MiB");
  EXPECT_EQ(size_text(1536U << 20U), "1.5 GiB");
}

}  // namespace
}  // namespace sqlbk::tool::bench::page
