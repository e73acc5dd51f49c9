// Runs a program and measures it: wall time, processor time, peak memory, bytes written; with a
// deadline after which it is killed with all that it started.
// Thread-safety: any thread; the child dies with the thread that runs it. Failure: how the program
// ended is a value; Error is thrown only where nothing could be run, or for a cancel.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "sqlbk/core/cancel.hpp"

namespace sqlbk::kit {

// How all children are run.
struct ChildOptions {
  std::string launcher;  // path of run-measured; "": beside the live-writer (SQLBK_LIVE_WRITER)
  std::chrono::milliseconds deadline{600'000};  // of one run
  const CancelToken* cancel = nullptr;          // requested: kill it and throw Error interrupted
};

enum class ChildEnd {
  exited,
  killed,       // by a signal that was not ours
  timed_out,    // killed at the deadline
  not_started,  // there is no such program, or it may not be run
};

struct ChildResult {
  ChildEnd end = ChildEnd::exited;
  int code = 0;  // exit status, signal, 0 or errno
  // What it took; 0 for one that timed out, but for the wall time.
  std::chrono::nanoseconds wall{0};
  std::chrono::nanoseconds cpu{0};
  std::uint64_t peak_memory_bytes = 0;
  std::uint64_t written_bytes = 0;
  // What it said, the first 16 KiB of each.
  std::string output;
  std::string errors;

  bool good() const noexcept { return end == ChildEnd::exited && code == 0; }
  // In one line: what the program said, or else how it ended.
  std::string explain() const;
};

// `command`: the program, by path or to be found in PATH, and its arguments. It gets an empty
// standard input.
ChildResult run_child(const std::vector<std::string>& command, const ChildOptions& options = {});

}  // namespace sqlbk::kit
