#include "lock_budget.hpp"

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/locks.hpp"
#include "sqlbk/format/wal_index.hpp"

namespace sqlbk::copy {

void LockBudget::look() {
  if (!somebody_waits()) {
    waiting_since_.reset();
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (!waiting_since_) waiting_since_ = now;
  if (now - *waiting_since_ <= budget_) return;
  throw Error(Errc::lock_budget_exceeded, "the owner of " + quoted(files_.given_path()) +
                                              " has waited for our lock longer than " +
                                              std::to_string(budget_.count()) + " ms")
      .with_path(files_.given_path());
}

bool LockBudget::somebody_waits() const {
  const std::string& path = files_.given_path();
  if (conflicting_lock(files_.fd_of(SourceFile::main), kPendingByte, 1, true, path)) return true;
  if (!files_.has(SourceFile::shm)) return false;
  const int shm = files_.fd_of(SourceFile::shm);
  const auto writer = conflicting_lock(shm, format::kWalWriteLockByte, 1, false, path);
  if (!writer) return false;
  const auto checkpointer = conflicting_lock(shm, format::kWalCheckpointLockByte, 1, false, path);
  return checkpointer && checkpointer->pid == writer->pid;
}

}  // namespace sqlbk::copy
