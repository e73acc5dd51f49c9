// What a run carries through all its parts: progress, cancel, deadline, options, log.
// Thread-safety: progress and cancel from any thread; everything else on the thread of the run.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "sqlbk/core/cancel.hpp"
#include "sqlbk/core/log.hpp"
#include "sqlbk/core/progress.hpp"

namespace sqlbk {

class HostThread;

// The form in which the copy is wanted.
enum class ImageForm {
  folded,        // one file, the WAL laid over it
  main_and_wal,  // two files, unmerged
};

struct CopyOptions {
  ImageForm form = ImageForm::folded;
  std::chrono::milliseconds lock_budget{1000};  // longest that a waiting owner waits for our lock
  unsigned copy_retry = 100;                    // attempts of a copy without a lock
  bool opaque = false;                          // encrypted: no header field is used or patched
  bool strict = true;                           // false: publish unproven after the last attempt
};

// When a run must give up. Adaptive until it is told otherwise: ten times the first pass over the
// source, at least a minute.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;
  static Deadline adaptive() { return {}; }
  static Deadline never();
  static Deadline after(std::chrono::milliseconds duration);

  // Called once a first full pass over the source is done; fixes an adaptive deadline.
  void first_pass_done() noexcept;
  bool has_passed() const noexcept;
  // Time left; a large value where there is no limit (yet).
  std::chrono::milliseconds left() const noexcept;

 private:
  Clock::time_point start_ = Clock::now();
  std::optional<Clock::time_point> end_;
  bool is_adaptive_ = true;
};

class RunContext {
 public:
  RunContext(Progress& progress, const CancelToken& cancel)
      : progress_(progress), cancel_(cancel) {}

  CopyOptions options;
  Deadline deadline;
  LogSink log_sink;

  Progress& progress() noexcept { return progress_; }

  // To be called every few megabytes or milliseconds. Throws interrupted or deadline_exceeded, or
  // what the watch throws. Cheap.
  void tick();
  // Whether tick() would throw for cancel or deadline; for callbacks from C, which must not throw.
  bool should_stop() const noexcept { return cancel_.requested() || deadline.has_passed(); }
  // Counts `bytes` as moved, then ticks.
  void advance(std::uint64_t bytes);
  // Sleeps in slices, ticking.
  void sleep_for(std::chrono::milliseconds duration);

  // A check that runs with tick(), at most every few milliseconds: a lock holder looks who waits
  // for it. Only one at a time; cleared by the guard's destructor.
  class WatchGuard {
   public:
    explicit WatchGuard(RunContext& context) noexcept : context_(context) {}
    WatchGuard(const WatchGuard&) = delete;
    WatchGuard& operator=(const WatchGuard&) = delete;
    ~WatchGuard() { context_.watch_ = nullptr; }

   private:
    RunContext& context_;
  };
  [[nodiscard]] WatchGuard watch(std::function<void()> check);

  void log(LogLevel level, const std::string& message);

  // The thread that has the host program's own descriptor table (host_thread.hpp); nullptr: this
  // thread has it.
  HostThread* host = nullptr;
  // Runs `work` with the host's descriptor table: for all that calls back into the host program
  // (every SQLite connection: SQLITE_CONFIG_LOG; the log sink), and for nothing that uses a
  // descriptor of the run. May be nested.
  void on_host(const std::function<void()>& work);

 private:
  Progress& progress_;
  const CancelToken& cancel_;
  std::function<void()> watch_;
  std::chrono::steady_clock::time_point last_watch_{};
};

}  // namespace sqlbk
