// A flag that asks a run to stop. Thread-safety: request() may be called from any thread and from
// a signal handler; the run sees it at the next tick and throws Error(interrupted).
#pragma once

#include <atomic>

namespace sqlbk {

class CancelToken {
 public:
  void request() noexcept { requested_.store(true, std::memory_order_relaxed); }
  bool requested() const noexcept { return requested_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> requested_{false};
  static_assert(std::atomic<bool>::is_always_lock_free, "request() must be async-signal-safe");
};

}  // namespace sqlbk
