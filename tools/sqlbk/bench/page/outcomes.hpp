// What can become of a copy beside writers, in the order of every chart, table and legend.
#pragma once

#include <array>

#include "../results.hpp"

namespace sqlbk::tool::bench::page {

struct Outcome {
  const char* name;
  const char* css_class;
  unsigned LiveTiming::*count;
  const char* meaning;
};

// Reported as done, and is no copy.
constexpr bool is_bad(const Outcome& outcome) {
  return outcome.count == &LiveTiming::torn || outcome.count == &LiveTiming::stale ||
         outcome.count == &LiveTiming::unreadable;
}

inline constexpr std::array<Outcome, 6> kOutcomes{{
    {"good", "good", &LiveTiming::good, "one committed state, and a fresh one"},
    {"refused", "refused", &LiveTiming::refused, "the tool reported failure"},
    {"timed out", "timed-out", &LiveTiming::timed_out, "stopped by the deadline"},
    {"torn", "torn", &LiveTiming::torn, "reported as done, and no state that was ever committed"},
    {"stale", "stale", &LiveTiming::stale,
     "reported as done, and lacks what was committed before it began"},
    {"unreadable", "unreadable", &LiveTiming::unreadable, "reported as done, and no database"},
}};

}  // namespace sqlbk::tool::bench::page
