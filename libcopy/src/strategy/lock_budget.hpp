// How long an owner who waits for a lock of ours has been waiting. Private to libcopy.
#pragma once

#include <chrono>
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
  bool somebody_waits() const;

  const LiveFiles& files_;
  std::chrono::milliseconds budget_;
  std::optional<std::chrono::steady_clock::time_point> waiting_since_;
};

}  // namespace sqlbk::copy
