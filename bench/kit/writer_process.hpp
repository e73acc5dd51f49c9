// A live-writer as a child process: an owner of a database that is really another process, with its
// own locks, that can be stopped, resumed and killed. Any number of them may own one database.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <sys/types.h>
#include <vector>

#include "kit/checker.hpp"
#include "kit/options.hpp"
#include "kit/status.hpp"
#include "sqlbk/core/unique_fd.hpp"

namespace sqlbk::kit {

// How to start it.
struct Launch {
  std::string program;  // path of the live-writer; "": that in the environment, SQLBK_LIVE_WRITER
  std::chrono::milliseconds ready_within{60'000};
};

// The path of the program that it means. Throws Error usage where there is none.
std::string live_writer_program(const Launch& launch = {});

// Ownership: of the child, which is killed and reaped by the destructor at the latest. It dies with
// the thread that started it (PR_SET_PDEATHSIG), and with the process by the end of its standard
// input: start it from a thread that outlives it.
// Thread-safety: committed() and status() from any thread, all else from one.
// Failure: Error with what the child said.
class WriterProcess {
 public:
  // Returns when the child is ready: a writer has committed for the first time, a checkpointer has
  // tried once, a zero-salt owner has made its WAL. `options`: status_file and die_with_parent are
  // set here.
  explicit WriterProcess(LiveWriterOptions options, const Launch& launch = {});
  WriterProcess(WriterProcess&& other) noexcept;
  WriterProcess& operator=(WriterProcess&& other) noexcept;
  WriterProcess(const WriterProcess&) = delete;
  WriterProcess& operator=(const WriterProcess&) = delete;
  ~WriterProcess();

  pid_t pid() const noexcept { return pid_; }  // 0 after stop() or kill9()
  bool running() const noexcept;               // false: it ended by itself, or was ended
  const LiveWriterOptions& options() const noexcept { return options_; }

  SharedStatus& status() const noexcept { return *status_; }
  Counters counters() const { return status_->read(); }
  // What is committed for certain at this moment: read it before a copy begins, as its floor.
  Committed committed() const noexcept;

  // Wait until the child has done so; throw Error if it ends before, or on the deadline.
  void wait_for_commits(std::uint64_t commits, std::chrono::milliseconds within) const;
  void wait_for_state(WriterState state, std::chrono::milliseconds within) const;

  // SIGSTOP, and return when the child has stopped; SIGCONT. Time in between counts as a stall.
  void pause();
  void resume();

  // Lets the child finish its transaction and close the database, and reaps it. Throws Error if it
  // counted other errors, or did not end well within a minute. Returns its last counters.
  Counters stop();
  // SIGKILL, wherever it stands, also in the middle of a transaction; returns its last counters.
  Counters kill9();

 private:
  void wait_until_ready(std::chrono::milliseconds within);
  // False: not within the deadline. True: the child has ended and is reaped.
  bool reap(std::chrono::milliseconds within, int& wait_status);
  void kill_and_reap() noexcept;
  void signal(int number) const;
  [[noreturn]] void throw_ended(const std::string& when, int wait_status) const;

  LiveWriterOptions options_;
  StatusMapping status_;
  UniqueFd child_stdin_;   // its end tells the child to stop
  UniqueFd child_stdout_;  // its end tells that the child has ended
  pid_t pid_ = 0;
};

// committed() of all: the floor of a copy that begins now.
std::vector<Committed> committed_by(std::span<const WriterProcess> writers);

}  // namespace sqlbk::kit
