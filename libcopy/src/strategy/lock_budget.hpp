// How long an owner who waits for a lock of ours has been waiting. Private to libcopy.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "sqlbk/core/live_files.hpp"

namespace sqlbk::copy {

class LockBudget {
 public:
  LockBudget(const LiveFiles& files, std::chrono::milliseconds budget)
      : files_(files), budget_(budget) {}

  // Throws lock_budget_exceeded once somebody has been seen waiting, at every look, for longer
  // than the budget. In rollback mode a waiting writer holds PENDING; in WAL mode a blocking
  // checkpoint holds WRITE and CKPT at once, and all writers wait with it.
  void look();

 private:
  // Who waits, told from everybody else who might: by the pid (0 in another pid namespace) and, in
  // WAL mode, the last commit. Nobody commits while a checkpoint waits; where somebody did, two
  // threads of one process only happened to hold the two locks.
  struct Waiter {
    int pid = 0;
    std::uint32_t mx_frame = 0;
    bool operator==(const Waiter&) const = default;
  };
  std::optional<Waiter> waiter() const;

  const LiveFiles& files_;
  std::chrono::milliseconds budget_;
  std::optional<Waiter> waiting_;
  std::chrono::steady_clock::time_point since_;
};

}  // namespace sqlbk::copy
