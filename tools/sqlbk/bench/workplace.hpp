// Where a benchmark works and with what: a private directory, the programs of bench/kit, the cancel
// token, and a line on a terminal that says what is going on.
// Ownership: of the directory, which is removed with everything in it. Thread-safety: one thread.
#pragma once

#include <chrono>
#include <string>

#include "kit/child.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/writer_process.hpp"
#include "sqlbk/core/cancel.hpp"

namespace sqlbk::tool::bench {

class Workplace {
 public:
  // Below `directory`, or $TMPDIR where that is "". Sets TMPDIR, so that what the tools and the
  // checker make on their way lies in it, too. Throws Error.
  Workplace(const std::string& directory, const CancelToken& cancel);
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  // Wipes the line.
  ~Workplace();

  const std::string& path() const noexcept { return directory_.path(); }
  const kit::Launch& launch() const noexcept { return launch_; }
  kit::ChildOptions child(std::chrono::milliseconds deadline) const;

  // On standard error, where that is a terminal, in place of the line before.
  void say(const std::string& line);
  // Throws Error interrupted after a signal.
  void check_cancel() const;
  // Sleeps, and throws as check_cancel().
  void sleep_for(std::chrono::milliseconds time) const;

 private:
  const CancelToken& cancel_;
  kit::TemporaryDirectory directory_;
  kit::Launch launch_;
  std::string run_measured_;
  bool terminal_;
  std::size_t width_ = 0;
};

}  // namespace sqlbk::tool::bench
