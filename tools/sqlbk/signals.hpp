// SIGINT, SIGTERM and SIGHUP stop a run cleanly; a second one stops the process. SIGTSTP, SIGTTIN
// and SIGTTOU stop the process when the run has let go of its locks.
#pragma once

#include <thread>

#include "sqlbk/core/cancel.hpp"
#include "sqlbk/core/run_context.hpp"

namespace sqlbk::tool {

// Requests `token` from now on. REQUIRES: the token lives as long as the process.
void cancel_on_signals(CancelToken& token);

// While it lives, a signal of job control (Ctrl-Z) first makes `run` let go of its locks: other
// processes would wait for them until the process goes on. What is ignored stays ignored.
// One at a time. REQUIRES: `run` outlives it.
class StopSignals {
 public:
  explicit StopSignals(RunContext& run);
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals();

 private:
  std::thread thread_;
};

}  // namespace sqlbk::tool
