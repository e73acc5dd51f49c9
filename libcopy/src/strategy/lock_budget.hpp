// How long an owner who waits for a lock of ours has been waiting. Private to libcopy.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "sqlbk/core/live_files.hpp"

namespace sqlbk::copy {

// What our lock keeps others from.
enum class Holdup {
  commits,      // SHARED in rollback mode
  checkpoints,  // a reader's lock in WAL mode
};

class LockBudget {
 public:
  LockBudget(const LiveFiles& files, std::chrono::milliseconds budget, Holdup holdup)
      : files_(files), budget_(budget), holdup_(holdup) {}

  // Throws lock_budget_exceeded when somebody waits who has done so for longer than the budget. In
  // rollback mode a waiting writer holds PENDING, and since nobody can commit all waits are one:
  // who has given up at a busy timeout of his own tries again, or another in his place. In WAL mode
  // a blocking checkpoint holds WRITE and CKPT at once, and all writers wait with it; it counts
  // while it is seen at every look.
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
  Holdup holdup_;
  std::optional<Waiter> waiting_;
  std::chrono::steady_clock::time_point since_;
};

}  // namespace sqlbk::copy
