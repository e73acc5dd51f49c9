// probe → copy → fold → post-steps → sync → publish. For users of sqlbk: fill a CopyRequest, build
// a Pipeline from a Registry, run it. Nothing ever stands under the final name that has not passed
// every step asked for. Thread-safety: one run at a time for each Pipeline; any number of
// pipelines in different threads.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sqlbk/core/copy_options.hpp"
#include "sqlbk/core/registry.hpp"
#include "sqlbk/core/report.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/staged_target.hpp"

namespace sqlbk {

enum class JournalMode {
  rollback,  // header bytes 18/19 = 1: opens anywhere, read-only media too
  wal,
  keep,  // as the source has it
};

struct CopyRequest {
  std::string source;
  std::string destination;  // a new file, or a directory
  std::string strategy = "auto";
  std::vector<std::string> steps;  // "NAME" or "NAME=ARGUMENT", in order
  JournalMode journal_mode = JournalMode::rollback;
  CopyOptions copy;
  TargetOptions target;
};

class Pipeline {
 public:
  // Every usage error of the request is thrown here, before a file is touched.
  static Pipeline build(CopyRequest request, const Registry& registry);

  // Makes the copy. `report` is filled as the run goes on, so that it also tells what had been
  // found when an Error is thrown. On failure: no destination, no temporary files, source
  // untouched. Runs on a thread with its own descriptor table (host_thread.hpp).
  void run(RunContext& context, Report& report);
  // The same, without progress, cancelling or a deadline.
  Report run();

  // Sees a staged copy, and what is known of it so far.
  using Look = std::function<void(StagedImage& image, const Report& report)>;
  // Makes the copy as far as run() does before its steps, in a private directory below
  // request.target.tempdir, hands it to `look` (with the host's descriptor table), and discards it.
  // The destination counts for nothing. For those who only want to look at a consistent state.
  Report stage(RunContext& context, const Look& look);

  // What run() would do, without doing it: report.decisions. Throws what run() would refuse.
  void plan(RunContext& context, Report& report);

 private:
  Pipeline() = default;
  void run_here(RunContext& context, Report& report);
  void plan_here(RunContext& context, Report& report);
  RoomCheck room_check(LiveFiles& files, const SourceFacts& facts, RunContext& context);
  void stage_here(RunContext& context, Report& report, const Look& look);
  SourceFacts probe(LiveFiles& files, Report& report) const;
  void fill(StagedTarget& target, LiveFiles& files, RunContext& context, Report& report);
  void run_steps(StagedImage& image, RunContext& context, Report& report);

  CopyRequest request_;
  std::unique_ptr<StrategyChooser> strategy_;
  std::vector<std::unique_ptr<PostStep>> steps_;
};

}  // namespace sqlbk
