#include "lock_budget.hpp"

#include <array>

#include "sqlbk/core/io.hpp"
#include "sqlbk/core/locks.hpp"
#include "sqlbk/format/wal_index.hpp"

namespace sqlbk::copy {

bool LockBudget::is_spent(const LockedFiles& files) {
  const std::optional<Waiter> now_waiting = waiter(files);
  const auto now = std::chrono::steady_clock::now();
  const bool holds_up_commits = files.shm_fd < 0;
  const bool is_one_wait = waiting_ && holds_up_commits;
  if (!is_one_wait) {
    if (now_waiting != waiting_) since_ = now;
    waiting_ = now_waiting;
  }
  return now_waiting && now - since_ > budget_;
}

std::optional<LockBudget::Waiter> LockBudget::waiter(const LockedFiles& files) {
  const auto pending = conflicting_lock(files.main_fd, kPendingByte, 1, true, files.path);
  if (pending) return Waiter{.pid = pending->pid};
  if (files.shm_fd < 0) return std::nullopt;
  const auto writer =
      conflicting_lock(files.shm_fd, format::kWalWriteLockByte, 1, false, files.path);
  if (!writer) return std::nullopt;
  const auto checkpointer =
      conflicting_lock(files.shm_fd, format::kWalCheckpointLockByte, 1, false, files.path);
  if (!checkpointer || checkpointer->pid != writer->pid) return std::nullopt;
  std::array<std::byte, format::kWalIndexHeaderSizeBytes> header{};
  const std::size_t got = read_up_to(files.shm_fd, header, 0, files.path);
  const format::ParsedWalIndexHeader index =
      format::parse_wal_index_header(format::Bytes(header).first(got));
  return Waiter{.pid = writer->pid, .mx_frame = index ? index->mx_frame : 0};
}

}  // namespace sqlbk::copy
