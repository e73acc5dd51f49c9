#include "kit/statistics.hpp"

#include <algorithm>

namespace sqlbk::kit {

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace sqlbk::kit
