// How far a run has come: written by the run, read by whoever shows it.
// Thread-safety: any thread, at any time; the copy loop only adds to an atomic.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

namespace sqlbk {

enum class Phase { probe, copy, fold, steps, sync, publish, done };
std::string_view to_string(Phase phase) noexcept;

struct Progress {
  std::atomic<Phase> phase{Phase::probe};
  std::atomic<std::uint64_t> done_bytes{0};   // of the attempt under way
  std::atomic<std::uint64_t> total_bytes{0};  // 0: not known yet
  std::atomic<std::uint64_t> moved_bytes{0};  // by movers, in all attempts

  void begin(Phase next, std::uint64_t total) noexcept {
    done_bytes.store(0, std::memory_order_relaxed);
    total_bytes.store(total, std::memory_order_relaxed);
    phase.store(next, std::memory_order_relaxed);
  }
  void add_moved(std::uint64_t bytes) noexcept {
    moved_bytes.fetch_add(bytes, std::memory_order_relaxed);
  }
  void add(std::uint64_t bytes) noexcept { done_bytes.fetch_add(bytes, std::memory_order_relaxed); }
};

}  // namespace sqlbk
