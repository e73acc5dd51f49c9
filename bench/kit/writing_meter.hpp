// What writers get done in the windows between begin() and end(), all windows together: so that
// what happens in between, as the checking of a copy, does not count.
// Ownership: borrows the writers, which must outlive it. Thread-safety: one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "kit/status.hpp"
#include "kit/writer_process.hpp"

namespace sqlbk::kit {

class WritingMeter {
 public:
  // `writers`: those whose commits count.
  explicit WritingMeter(std::span<const WriterProcess> writers) : writers_(writers) {}

  void begin();
  void end();  // REQUIRES: begin() before

  std::chrono::duration<double> time() const noexcept { return time_; }
  std::uint64_t commits() const noexcept { return sum_.commits; }
  double commits_per_second() const noexcept;
  // Of the stalls that ended in a window; never more than the worst.
  std::chrono::nanoseconds stall_percentile(double share) const noexcept;
  // Of all that ended in a window, or went on at its end.
  std::chrono::nanoseconds worst_stall() const noexcept { return worst_stall_; }

 private:
  std::span<const WriterProcess> writers_;
  std::vector<Counters> before_;
  std::chrono::steady_clock::time_point began_{};
  Counters sum_;  // commits and stalls only
  std::chrono::nanoseconds worst_stall_{0};
  std::chrono::duration<double> time_{0};
};

}  // namespace sqlbk::kit
