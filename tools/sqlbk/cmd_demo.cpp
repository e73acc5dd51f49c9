// Shows the main job on a database of its own: a writer process, copies while it writes, checks.
#include <chrono>
#include <thread>

#include "command.hpp"
#include "kit/checker.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "kit/writer_process.hpp"
#include "kit_programs.hpp"
#include "print.hpp"
#include "signals.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/pipeline.hpp"

namespace sqlbk::tool {
namespace {

using namespace std::chrono_literals;

constexpr const char* kHelp =
    "usage: sqlbk demo\n\n"
    "Makes a small database in a temporary directory, starts a program that writes to it without\n"
    "a pause, copies it three times while it is written, and verifies each copy: integrity_check,\n"
    "invariants of the data, and that no transaction committed before the copy is missing.\n";

constexpr int kCopies = 3;

// What the user would have typed, done in this process.
Report copy(const std::string& source, const std::string& destination, const Registry& registry,
            RunContext& context) {
  CopyRequest request;
  request.source = source;
  request.destination = destination;
  request.steps = {"integrity_check"};
  Report report;
  Pipeline::build(std::move(request), registry).run(context, report);
  return report;
}

// True: all copies are good.
bool show(const Registry& registry, RunContext& context) {
  const kit::TemporaryDirectory directory;
  const std::string source = directory.file("app.db");
  standard_output() << "making a database of 16 MiB: " << source << '\n';
  kit::create_database(source, {.size_mb = 16});
  context.tick();

  kit::LiveWriterOptions options;
  options.database = source;
  kit::WriterProcess writer(
      options, {.program = find_live_writer("writes in the demo"), .ready_within = 10s});
  standard_output() << "process " << writer.pid()
                    << " writes to it, one transaction after another\n\n";
  bool all_good = true;
  for (int i = 1; i <= kCopies; ++i) {
    context.sleep_for(300ms);
    const std::string destination = directory.file("backup-" + std::to_string(i) + ".db");
    const kit::Committed before = writer.committed();
    standard_output() << "$ sqlbk copy --then integrity_check app.db backup-" << i << ".db\n";
    const Report report = copy(source, destination, registry, context);
    const std::uint64_t after = writer.committed().sequence;
    const kit::CheckResult result = kit::check_copy(destination, std::span(&before, 1));
    all_good = all_good && result.good();
    standard_output() << "  " << format_bytes(report.size_bytes) << " in "
                      << format_duration(report.total_time) << " by " << report.strategy
                      << ", verdict " << to_string(report.verdict) << "; the writer committed "
                      << after - before.sequence << " transactions meanwhile\n"
                      << "  transaction " << before.sequence << " was the last before the copy, "
                      << (result.committed.empty() ? 0 : result.committed.front().sequence)
                      << " is the last in it: " << result.explain() << "\n\n";
  }
  const kit::Counters counters = writer.stop();
  standard_output() << "the writer made " << counters.commits << " commits, saw "
                    << counters.other_errors << " errors, and waited at most "
                    << format_duration(counters.worst_stall) << " for one\n"
                    << (all_good ? "all copies are good" : "a copy is BAD") << '\n';
  return all_good;
}

}  // namespace

int run_demo(const std::vector<std::string>& arguments, const Registry& registry) {
  if (!arguments.empty()) {
    if (arguments[0] == "--help" || arguments[0] == "-h") {
      standard_output().own(kHelp);
      return 0;
    }
    throw Error(Errc::usage, "'sqlbk demo' takes no arguments")
        .with_hint("see 'sqlbk demo --help'");
  }
  static CancelToken cancel;
  cancel_on_signals(cancel);
  Progress progress;
  RunContext context(progress, cancel);
  try {
    return show(registry, context) ? 0 : errc_info(Errc::damaged).exit_code;
  } catch (Error& error) {
    context.tick();  // Ctrl-C reaches the writer, too: that it is gone is not the reason
    // Of a database that was sound when it was made: the copy is what is bad, or its writer.
    if (error.code() == Errc::damaged) {
      error.with_hint("this is a fault of sqlbk; please report it with what was printed");
    }
    throw;
  }
}

}  // namespace sqlbk::tool
