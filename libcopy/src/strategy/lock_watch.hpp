// Keeps the promise of the lock budget while the thread of the run is stuck: in a write to a slow
// disk, in a FICLONE that flushes the source first. Private to libcopy.
//
// A thread with the run's descriptor table polls whether another process waits for a lock of ours,
// and lets go of all of them when the budget is spent. So it does before the program is stopped
// (RunContext::suspend(), which is called where other descriptors have these numbers). The attempt
// has failed then, whatever else it finds.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "lock_budget.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/run_context.hpp"

namespace sqlbk::copy {

class LockWatch {
 public:
  // To be made before the first lock is taken; waits while the run is suspended. `roll_back` lets
  // go of what SQLite holds for us; it is called on the watching thread, once at most. REQUIRES:
  // `files` and `context` outlive it, and `files` begins no other attempt meanwhile.
  LockWatch(const LiveFiles& files, std::chrono::milliseconds budget, RunContext& context,
            std::function<void()> roll_back = {});
  LockWatch(const LockWatch&) = delete;
  LockWatch& operator=(const LockWatch&) = delete;
  ~LockWatch();

  // Runs `take`, which takes OFD locks on main or on the -shm that `files` has open: not while they
  // are being let go of, and not after. Throws as check().
  template <typename Take>
  void take(Take take) {
    const std::lock_guard lock(mutex_);
    check();
    take();
    begin();
  }
  // As take(), for a lock on the -shm, which checkpoints wait for.
  template <typename Take>
  void take_on_shm(Take take) {
    const std::lock_guard lock(mutex_);
    check();
    locked_.shm_fd = files_.fd_of(SourceFile::shm);
    take();
  }

  // Throws once the locks were let go of: lock_budget_exceeded, or source_changed where the run was
  // suspended. The run's ticks do so, too.
  void check() const;
  // Runs `work`, whose errors are those of check() once the locks were let go of: what the copy
  // then finds changed changed for that reason.
  template <typename Work>
  auto run(Work work) const {
    try {
      return work();
    } catch (const Error&) {
      check();
      throw;
    }
  }
  // The locks have been held until now, and the attempt no longer fails for want of them. To be
  // called when everything was read and checked. Throws as check().
  void finish();

 private:
  void begin();  // REQUIRES: mutex_
  void poll();   // the watching thread
  std::optional<Error> reason_to_let_go();
  void let_go(const Error& reason, std::unique_lock<std::mutex>& lock);
  void note(const Error& reason);  // REQUIRES: mutex_
  void ask_to_let_go();            // from any thread; returns when it is done

  const LiveFiles& files_;
  const std::chrono::milliseconds budget_time_;
  const std::function<void()> roll_back_;
  LockBudget budget_;
  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  LockedFiles locked_;
  bool is_asked_ = false;
  bool has_let_go_ = false;
  bool is_finished_ = false;
  bool is_ended_ = false;
  std::optional<Error> reason_;       // set before `is_gone_`, and never again
  std::atomic<bool> is_gone_{false};  // the locks were let go of before finish()
  std::thread thread_;
  const RunContext::HoldGuard hold_;
  const RunContext::WatchGuard watch_;
};

}  // namespace sqlbk::copy
