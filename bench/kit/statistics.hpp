// Figures of several runs. Thread-safety: pure functions.
#pragma once

#include <vector>

namespace sqlbk::kit {

// The upper one of two in the middle; 0 if there are none.
double median(std::vector<double> values);

}  // namespace sqlbk::kit
