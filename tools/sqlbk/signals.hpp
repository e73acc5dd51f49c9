// SIGINT, SIGTERM and SIGHUP stop a run cleanly; a second one stops the process. SIGTSTP, SIGTTIN
// and SIGTTOU stop the process when the run has let go of its locks.
#pragma once

#include <thread>

#include "sqlbk/core/cancel.hpp"
#include "sqlbk/core/run_context.hpp"

namespace sqlbk::tool {

// From now on a write beyond the limit on the size of files fails with EFBIG, and one to a pipe
// that nothing reads with EPIPE; SIGXFSZ and SIGPIPE do not end the process any more.
void outlive_failed_writes() noexcept;

// Requests `token` from now on; a signal that is ignored stays ignored. REQUIRES: the token lives
// as long as the process.
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
