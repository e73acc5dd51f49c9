// never-struck: asks a source that is sound, over and over, whether SQLite's WAL-reset bug has
// struck it, with and without read locks, while processes write to it as fast as they can, grow it
// and shrink it, and checkpoint it in every way. Prints a line for each way with what was answered;
// a single `struck` fails.
//
// Beside a SQLite that has the bug it is asked only where that cannot strike: it needs a passive
// checkpoint of one process beside the commits of another.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <boost/program_options.hpp>
#include <sqlite3.h>

#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "kit/writer_process.hpp"
#include "sqlbk/core/cancel.hpp"
#include "sqlbk/core/progress.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/wal_reset_bug.hpp"
#include "sqlbk/format/sqlite_version.hpp"
#include "strategy/ofd_lock.hpp"
#include "strategy/wal_read_lock.hpp"

namespace sqlbk::torture {
namespace {

namespace po = boost::program_options;
using kit::CheckpointMode;

// For each check that is wanted: beside some checkpoints there are seldom frames to compare.
constexpr unsigned kMostAsked = 20;

struct Options {
  unsigned checks = 1000;
  unsigned writers = 1;
  std::uint64_t seed = 1;
  std::string directory;
};

struct Counts {
  unsigned sound = 0;
  unsigned changed = 0;
  unsigned struck = 0;
  unsigned not_asked = 0;   // a program was not attached yet, or not any more
  unsigned busy = 0;        // the locks were not to be had, so that nothing was asked
  unsigned backfilled = 0;  // of those that were asked: main should have held some frames

  void add(const WalResetBugFinding& finding) {
    if (finding.backfilled_frames != 0) ++backfilled;
    switch (finding.answer) {
      case WalResetBugAnswer::not_asked:
        ++not_asked;
        return;
      case WalResetBugAnswer::sound:
        ++sound;
        return;
      case WalResetBugAnswer::changed:
        ++changed;
        return;
      case WalResetBugAnswer::struck:
        ++struck;
        return;
    }
  }
  unsigned asked() const { return sound + changed + struck + not_asked; }
};

void print(const char* how, const Counts& counts) {
  std::printf(
      "  %s: %u checks (%u with frames to compare), %u sound, %u changed, %u struck; %u busy\n",
      how, counts.asked(), counts.backfilled, counts.sound, counts.changed, counts.struck,
      counts.busy);
  static_cast<void>(std::fflush(stdout));
}

bool has_the_bug() {
  return format::has_wal_reset_bug(static_cast<std::uint32_t>(sqlite3_libversion_number()));
}

// Of a process beside the writers, whose own checkpoints are passive.
std::vector<CheckpointMode> checkpoints() {
  std::vector<CheckpointMode> modes{CheckpointMode::none, CheckpointMode::restart,
                                    CheckpointMode::truncate};
  if (!has_the_bug()) modes.insert(modes.end(), {CheckpointMode::passive, CheckpointMode::full});
  return modes;
}

std::vector<kit::WriterProcess> start_owners(const Options& options, CheckpointMode checkpoint,
                                             const std::string& database) {
  std::vector<kit::WriterProcess> owners;
  for (unsigned i = 1; i <= options.writers; ++i) {
    kit::LiveWriterOptions writer;
    writer.database = database;
    writer.writer_id = i;
    writer.seed = options.seed * 1000 + i;
    writer.autocheckpoint_frames = 100;  // a short generation, so that there are many
    writer.transaction.vary_rows = true;
    writer.transaction.rollbacks = true;
    writer.transaction.breathe_every = 7;
    owners.emplace_back(writer);
  }
  if (checkpoint == CheckpointMode::none) return owners;
  kit::LiveWriterOptions checkpointer;
  checkpointer.database = database;
  checkpointer.role = kit::Role::checkpointer;
  checkpointer.writer_id = options.writers + 1;
  checkpointer.checkpoint = checkpoint;
  checkpointer.checkpoint_every = std::chrono::milliseconds(5);
  owners.emplace_back(checkpointer);
  return owners;
}

// Reads now and then, for some milliseconds: so long the WAL is not reset, and checkpoints stop in
// the middle of it. Else nearly all of the time nothing is backfilled, or all of it just was.
class Reader {
 public:
  explicit Reader(const std::string& database) : files_(database), thread_([this] { run(); }) {}
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() {
    is_stopped_.store(true, std::memory_order_relaxed);
    thread_.join();
  }

 private:
  void run() {
    while (!is_stopped_.load(std::memory_order_relaxed)) {
      read_for(std::chrono::milliseconds(3));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  void read_for(std::chrono::milliseconds time) {
    try {
      const copy::SharedLock shared(files_);
      files_.refresh_sidecars();
      const copy::WalReadLock read_lock(files_, context_);
      std::this_thread::sleep_for(time);
    } catch (const Error&) {
      // Not now: a checkpoint is in the way.
    }
  }

  LiveFiles files_;
  Progress progress_;
  const CancelToken cancel_;
  RunContext context_{progress_, cancel_};
  std::atomic<bool> is_stopped_{false};
  std::thread thread_;
};

class Checker {
 public:
  explicit Checker(const std::string& database) : files_(database) {}

  void ask_without_locks() { ask(WalReadLocks::none, without_); }
  void ask_under_locks() {
    try {
      const copy::SharedLock shared(files_);
      files_.refresh_sidecars();
      const copy::WalReadLock read_lock(files_, context_);
      ask(WalReadLocks::held, under_);
    } catch (const Error& error) {
      if (error.code() != Errc::source_busy) throw;
      ++under_.busy;
    }
  }

  unsigned asked() const { return without_.asked() + under_.asked(); }
  // How often main should have held some frames.
  unsigned compared() const { return without_.backfilled + under_.backfilled; }
  const Counts& without() const { return without_; }
  const Counts& under() const { return under_; }

 private:
  void ask(WalReadLocks locks, Counts& counts) {
    const WalResetBugFinding finding = ask_once(files_, locks, [] {});
    counts.add(finding);
    if (finding.answer != WalResetBugAnswer::struck) return;
    std::printf("  %s\n", wal_reset_bug_error(finding, files_.given_path()).what());
  }

  LiveFiles files_;
  Progress progress_;
  const CancelToken cancel_;
  RunContext context_{progress_, cancel_};
  Counts without_;
  Counts under_;
};

// How often it was called struck.
unsigned run_beside(CheckpointMode checkpoint, unsigned checks, const Options& options) {
  const kit::TemporaryDirectory directory(options.directory);
  const std::string database = directory.file("source.db");
  kit::create_database(database, {.size_mb = 2, .seed = options.seed, .auto_vacuum = true});
  std::vector<kit::WriterProcess> owners = start_owners(options, checkpoint, database);
  std::printf("checkpoints: passive, by the writers; %s, by another process\n",
              std::string(kit::to_string(checkpoint)).c_str());
  const Reader reader(database);
  Checker checker(database);
  while (checker.compared() < checks && checker.asked() < kMostAsked * checks) {
    const unsigned before = checker.compared();
    checker.ask_without_locks();
    checker.ask_under_locks();
    if (checker.compared() == before) std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  print("without a lock", checker.without());
  print("under the locks", checker.under());
  for (kit::WriterProcess& owner : owners) static_cast<void>(owner.stop());
  return checker.without().struck + checker.under().struck;
}

int run(int argc, char** argv) {
  Options options;
  po::options_description described("never-struck: a sound source is never called struck\noptions");
  // clang-format off
  described.add_options()
    ("help", "this text")
    ("checks", po::value(&options.checks), "in all, that have frames to compare with main")
    ("writers", po::value(&options.writers), "processes; 1 where SQLite has the bug")
    ("seed", po::value(&options.seed), "of everything random")
    ("directory", po::value(&options.directory), "where to work (default: $TMPDIR)");
  // clang-format on
  po::variables_map given;
  po::store(po::parse_command_line(argc, argv, described), given);
  po::notify(given);
  if (given.count("help") != 0) {
    std::cout << described;
    return 0;
  }
  if (has_the_bug() && options.writers != 1) {
    std::cerr << "never-struck: SQLite " << sqlite3_libversion()
              << " has the bug: with several writers it may really strike\n";
    return 2;
  }
  const std::vector<CheckpointMode> modes = checkpoints();
  const auto checks = options.checks / static_cast<unsigned>(modes.size()) + 1;
  unsigned struck = 0;
  for (const CheckpointMode mode : modes) struck += run_beside(mode, checks, options);
  std::printf("SQLite %s, %u writers: called struck %u times\n", sqlite3_libversion(),
              options.writers, struck);
  return struck == 0 ? 0 : 1;
}

}  // namespace
}  // namespace sqlbk::torture

int main(int argc, char** argv) {
  try {
    return sqlbk::torture::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "never-struck: " << error.what() << '\n';
    return 2;
  }
}
