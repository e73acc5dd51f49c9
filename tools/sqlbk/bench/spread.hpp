// Lowest, median and highest of several figures. Thread-safety: pure.
#pragma once

#include <algorithm>
#include <vector>

#include "kit/statistics.hpp"
#include "results.hpp"

namespace sqlbk::tool::bench {

inline Spread spread_of(const std::vector<double>& values) {
  if (values.empty()) return {};
  return {.lowest = *std::min_element(values.begin(), values.end()),
          .median = kit::median(values),
          .highest = *std::max_element(values.begin(), values.end())};
}

}  // namespace sqlbk::tool::bench
