// What a run carries through all its parts: progress, cancel, deadline, log.
// Thread-safety: progress, cancel, suspend() and resume() from any thread; everything else on the
// thread of the run.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "sqlbk/core/cancel.hpp"
#include "sqlbk/core/log.hpp"
#include "sqlbk/core/progress.hpp"

namespace sqlbk {

// When a run, or a phase of one, must give up. A value: nothing moves it.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;
  static Deadline never() noexcept { return Deadline(); }
  static Deadline after(std::chrono::milliseconds duration);
  static Deadline at(Clock::time_point end) noexcept;

  bool has_passed() const noexcept;
  // Time left; a large value where there is no limit.
  std::chrono::milliseconds left() const noexcept;
  bool is_never() const noexcept { return !end_; }
  // The one that passes first.
  Deadline sooner_of(const Deadline& other) const noexcept;

 private:
  Deadline() = default;
  std::optional<Clock::time_point> end_;
};

// What a run is started with.
struct RunSettings {
  Deadline deadline = Deadline::never();  // of the whole run
  LogSink log_sink = {};
};

class RunContext {
  struct Shared;

 public:
  // REQUIRES: the references outlive it and everything that until() has given.
  RunContext(Progress& progress, const CancelToken& cancel, RunSettings settings = {});
  RunContext(const RunContext&) = delete;
  RunContext& operator=(const RunContext&) = delete;
  ~RunContext();

  // The same run with a deadline of its own for one phase, if that is the sooner one.
  RunContext until(const Deadline& deadline) const;

  const Deadline& deadline() const noexcept { return deadline_; }
  Progress& progress() const noexcept;

  // To be called every few megabytes or milliseconds. Throws interrupted or deadline_exceeded, or
  // what the watch throws. Cheap.
  void tick();
  // Whether tick() would throw for cancel or deadline; for callbacks from C, which must not throw.
  bool should_stop() const noexcept;
  // Counts `bytes` as moved, then ticks.
  void advance(std::uint64_t bytes);
  // Sleeps in slices, ticking.
  void sleep_for(std::chrono::milliseconds duration);

  // A check that runs with tick(), at most every few milliseconds, as that of a waiting owner
  // while a lock is held. Only one at a time; cleared by the guard's destructor.
  class WatchGuard {
   public:
    explicit WatchGuard(std::function<void()>& watch) noexcept : watch_(watch) {}
    WatchGuard(const WatchGuard&) = delete;
    WatchGuard& operator=(const WatchGuard&) = delete;
    ~WatchGuard() { watch_ = nullptr; }

   private:
    std::function<void()>& watch_;
  };
  [[nodiscard]] WatchGuard watch(std::function<void()> check);

  // What other processes may wait for while the run has it: a lock on the source. `let_go` is
  // called by suspend(), from another thread, never after the guard's end. A guard is not to be had
  // while the run is suspended: its making waits.
  class HoldGuard {
   public:
    HoldGuard(std::shared_ptr<Shared> shared, std::function<void()> let_go);
    HoldGuard(const HoldGuard&) = delete;
    HoldGuard& operator=(const HoldGuard&) = delete;
    ~HoldGuard();

   private:
    friend class RunContext;
    std::shared_ptr<Shared> shared_;
    std::function<void()> let_go_;
  };
  [[nodiscard]] HoldGuard hold(std::function<void()> let_go);

  // For a program that is about to be stopped: lets go of all that the run holds, and keeps it from
  // taking it again before resume(). What the run was at fails and is tried again. From any thread
  // but those of the run and its host.
  void suspend();
  void resume();

  void log(LogLevel level, const std::string& message);

  // Runs `work` on a thread with a descriptor table of its own (host_thread.hpp).
  void run_isolated(const std::function<void()>& work);
  // True within run_isolated(), where the system could give such a table.
  bool is_isolated() const noexcept;
  // Runs `work` with the host's descriptor table: for all that calls back into the host program
  // (every SQLite connection: SQLITE_CONFIG_LOG; the log sink), and for nothing that uses a
  // descriptor of the run. May be nested.
  void on_host(const std::function<void()>& work);
  // The same for another thread of the run, which may call what is returned while the run goes on:
  // it waits for its turn. Good until run_isolated() ends.
  using HostCall = std::function<void(const std::function<void()>& work)>;
  HostCall host_call() const;

 private:
  RunContext(std::shared_ptr<Shared> shared, const Deadline& deadline);

  std::shared_ptr<Shared> shared_;
  const Deadline deadline_;
};

}  // namespace sqlbk
