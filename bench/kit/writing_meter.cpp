#include "kit/writing_meter.hpp"

#include <algorithm>
#include <cstddef>

namespace sqlbk::kit {

void WritingMeter::begin() {
  before_.clear();
  for (const WriterProcess& writer : writers_) {
    static_cast<void>(writer.status().take_window_worst_stall());
    before_.push_back(writer.counters());
  }
  began_ = std::chrono::steady_clock::now();
}

void WritingMeter::end() {
  time_ += std::chrono::steady_clock::now() - began_;
  for (std::size_t i = 0; i < writers_.size(); ++i) {
    const Counters window = writers_[i].counters().since(before_[i]);
    sum_.commits += window.commits;
    for (std::size_t bucket = 0; bucket < kStallBuckets; ++bucket) {
      sum_.stalls[bucket] += window.stalls[bucket];
    }
    worst_stall_ = std::max(worst_stall_, writers_[i].status().take_window_worst_stall());
  }
}

double WritingMeter::commits_per_second() const noexcept {
  return time_.count() > 0 ? static_cast<double>(sum_.commits) / time_.count() : 0;
}

std::chrono::nanoseconds WritingMeter::stall_percentile(double share) const noexcept {
  // The histogram knows the upper end of a bucket only.
  return std::min<std::chrono::nanoseconds>(sum_.stall_percentile(share), worst_stall_);
}

}  // namespace sqlbk::kit
