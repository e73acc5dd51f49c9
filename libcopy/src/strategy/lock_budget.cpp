#include "lock_budget.hpp"

#include <array>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/locks.hpp"
#include "sqlbk/format/wal_index.hpp"

namespace sqlbk::copy {

void LockBudget::look() {
  const std::optional<Waiter> now_waiting = waiter();
  const auto now = std::chrono::steady_clock::now();
  const bool is_one_wait = waiting_ && holdup_ == Holdup::commits;
  if (!is_one_wait) {
    if (now_waiting != waiting_) since_ = now;
    waiting_ = now_waiting;
  }
  if (!now_waiting || now - since_ <= budget_) return;
  throw Error(Errc::lock_budget_exceeded, "the owner of " + quoted(files_.given_path()) +
                                              " has waited for our lock longer than " +
                                              std::to_string(budget_.count()) + " ms")
      .with_path(files_.given_path());
}

std::optional<LockBudget::Waiter> LockBudget::waiter() const {
  const std::string& path = files_.given_path();
  const auto pending =
      conflicting_lock(files_.fd_of(SourceFile::main), kPendingByte, 1, true, path);
  if (pending) return Waiter{.pid = pending->pid};
  if (!files_.has(SourceFile::shm)) return std::nullopt;
  const int shm = files_.fd_of(SourceFile::shm);
  const auto writer = conflicting_lock(shm, format::kWalWriteLockByte, 1, false, path);
  if (!writer) return std::nullopt;
  const auto checkpointer = conflicting_lock(shm, format::kWalCheckpointLockByte, 1, false, path);
  if (!checkpointer || checkpointer->pid != writer->pid) return std::nullopt;
  std::array<std::byte, format::kWalIndexHeaderSizeBytes> header{};
  static_cast<void>(files_.read(SourceFile::shm, header, 0));
  const format::ParsedWalIndexHeader index = format::parse_wal_index_header(header);
  return Waiter{.pid = writer->pid, .mx_frame = index ? index->mx_frame : 0};
}

}  // namespace sqlbk::copy
