// torture: copies of a database while processes write to it, each copy checked for invariants of
// the data (torn?) and against what was committed before it began (stale?), and the source itself
// afterwards. One cell a run: a kind of writers, a strategy, a number of copies or a time.
// Prints one summary line; keeps a bad copy, with all that is known of it, under --keep.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/filesystem.hpp>
#include <boost/program_options.hpp>

#include "kit/checker.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "kit/writer_process.hpp"
#include "sqlbk/checkpoint/builtin.hpp"
#include "sqlbk/copy/builtin.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/pipeline.hpp"

namespace sqlbk {
namespace {

namespace fs = boost::filesystem;
namespace po = boost::program_options;
using Clock = std::chrono::steady_clock;

// A source that SQLite itself has damaged (bug R) is not the copier's fault; the cell is run anew.
constexpr int kDamagedSourceTries = 3;

struct Cell {
  std::string strategy = "auto";
  kit::JournalMode journal_mode = kit::JournalMode::wal;
  kit::LockingMode locking = kit::LockingMode::normal;
  kit::CheckpointMode checkpoint = kit::CheckpointMode::none;
  unsigned checkpoint_every_ms = 200;
  unsigned writers = 1;
  unsigned pause_us = 0;
  unsigned size_mb = 20;
  unsigned rows = 8;
  bool vary_rows = false;
  bool savepoints = false;
  bool rollbacks = false;
  std::optional<unsigned> cache_pages;
  unsigned copies = 50;
  double seconds = 0;  // 0: no limit but the copies
  std::string timeout;
  std::uint64_t seed = 1;
  bool may_refuse = false;
  std::string keep;
  std::string directory;

  std::string name() const {
    std::string text = strategy + " " + std::string(kit::to_string(journal_mode));
    if (locking == kit::LockingMode::exclusive) text += " exclusive";
    text += " writers=" + std::to_string(writers) + " pause=" + std::to_string(pause_us) + "us";
    if (checkpoint != kit::CheckpointMode::none) {
      text += " checkpoint=" + std::string(kit::to_string(checkpoint));
    }
    if (savepoints) text += " savepoints";
    return text + " size=" + std::to_string(size_mb) + "MiB";
  }
};

struct Outcome {
  std::map<std::string, unsigned> counts;  // good, torn, stale, unreadable, refused: CODE
  std::vector<double> milliseconds;        // of the good ones
  std::uint64_t commits = 0;
  double writing_seconds = 0;
  double worst_stall_ms = 0;
  bool source_damaged = false;
  std::string first_problem;
  std::string first_refusal;

  unsigned bad() const {
    unsigned sum = 0;
    for (const auto& [what, count] : counts) {
      if (what == "torn" || what == "stale" || what == "unreadable") sum += count;
    }
    return sum;
  }
  unsigned refused() const {
    unsigned sum = 0;
    for (const auto& [what, count] : counts) {
      if (what.starts_with("refused")) sum += count;
    }
    return sum;
  }
};

std::vector<kit::WriterProcess> start_owners(const Cell& cell, const std::string& source) {
  std::vector<kit::WriterProcess> owners;
  for (unsigned i = 1; i <= cell.writers; ++i) {
    kit::LiveWriterOptions options;
    options.database = source;
    options.writer_id = i;
    options.seed = cell.seed * 1000 + i;
    options.journal_mode = cell.journal_mode;
    options.locking = cell.locking;
    options.pause = std::chrono::microseconds(cell.pause_us);
    options.transaction.rows = cell.rows;
    options.transaction.vary_rows = cell.vary_rows;
    options.transaction.savepoints = cell.savepoints;
    options.transaction.rollbacks = cell.rollbacks;
    if (cell.cache_pages) options.cache_pages = *cell.cache_pages;
    owners.emplace_back(options);
  }
  if (cell.checkpoint != kit::CheckpointMode::none) {
    kit::LiveWriterOptions options;
    options.database = source;
    options.role = kit::Role::checkpointer;
    options.writer_id = cell.writers + 1;
    options.checkpoint = cell.checkpoint;
    options.checkpoint_every = std::chrono::milliseconds(cell.checkpoint_every_ms);
    owners.emplace_back(options);
  }
  return owners;
}

class CopyRun {
 public:
  CopyRun(const Cell& cell, const Registry& registry) : cell_(cell), registry_(registry) {}

  // Throws Error where there is no copy.
  Report make(const std::string& source, const std::string& destination) const {
    CopyRequest request;
    request.source = source;
    request.destination = destination;
    request.strategy = cell_.strategy;
    Pipeline pipeline = Pipeline::build(std::move(request), registry_);
    Progress progress;
    const CancelToken cancel;
    RunContext context(progress, cancel);
    if (!cell_.timeout.empty()) {
      context.deadline = Deadline::after(std::chrono::milliseconds(std::stoul(cell_.timeout)));
    }
    Report report;
    pipeline.run(context, report);
    return report;
  }

 private:
  const Cell& cell_;
  const Registry& registry_;
};

void keep_bad_copy(const Cell& cell, const std::string& copy, const Report& report,
                   const kit::CheckResult& result) {
  if (cell.keep.empty()) return;
  fs::create_directories(cell.keep);
  const std::string base = cell.keep + "/bad-" + std::to_string(cell.seed);
  boost::system::error_code ignored;
  fs::copy_file(copy, base + ".db", fs::copy_options::overwrite_existing, ignored);
  std::cerr << "kept " << base << ".db: " << result.explain() << "\n  strategy " << report.strategy
            << ", verdict " << to_string(report.verdict) << '\n';
  for (const auto& [name, value] : report.facts) {
    std::cerr << "  " << name << " = " << value << '\n';
  }
}

Outcome run_cell(const Cell& cell, const Registry& registry) {
  const kit::TemporaryDirectory directory(cell.directory);
  const std::string source = directory.file("source.db");
  kit::create_database(
      source, {.size_mb = cell.size_mb, .seed = cell.seed, .journal_mode = cell.journal_mode});
  std::vector<kit::WriterProcess> owners = start_owners(cell, source);
  const std::span<const kit::WriterProcess> writers(owners.data(), cell.writers);
  Outcome outcome;
  const auto began = Clock::now();
  const CopyRun copy(cell, registry);
  for (unsigned i = 0; i < cell.copies; ++i) {
    const std::chrono::duration<double> elapsed = Clock::now() - began;
    if (cell.seconds > 0 && elapsed.count() > cell.seconds) break;
    const std::string destination = directory.file("copy.db");
    const std::vector<kit::Committed> floor = kit::committed_by(writers);
    Report report;
    const auto start = Clock::now();
    try {
      report = copy.make(source, destination);
    } catch (const Error& error) {
      ++outcome.counts["refused: " + std::string(errc_info(error.code()).name)];
      if (outcome.first_refusal.empty()) outcome.first_refusal = error.what();
      if (fs::exists(destination)) {
        outcome.first_problem = "a refused copy left a destination";
        ++outcome.counts["torn"];
        fs::remove(destination);
      }
      continue;
    }
    const std::chrono::duration<double, std::milli> took = Clock::now() - start;
    const kit::CheckResult result = kit::check_copy(destination, floor);
    ++outcome.counts[std::string(to_string(result.verdict))];
    if (result.good()) {
      outcome.milliseconds.push_back(took.count());
    } else {
      if (outcome.first_problem.empty()) outcome.first_problem = result.explain();
      keep_bad_copy(cell, destination, report, result);
    }
    fs::remove(destination);
  }
  outcome.writing_seconds = std::chrono::duration<double>(Clock::now() - began).count();
  std::vector<kit::Committed> last;
  for (std::size_t i = 0; i < owners.size(); ++i) {
    const kit::Counters counters = owners[i].stop();  // throws if the owner saw an error
    if (i < cell.writers) {
      outcome.commits += counters.commits;
      last.push_back({.writer = owners[i].options().writer_id, .sequence = counters.committed});
    }
    outcome.worst_stall_ms =
        std::max(outcome.worst_stall_ms,
                 std::chrono::duration<double, std::milli>(counters.worst_stall).count());
  }
  const kit::CheckResult result = kit::check_source(source, last);
  if (!result.good()) {
    outcome.source_damaged = true;
    std::cerr << "the SOURCE is damaged: " << result.explain() << '\n';
  }
  return outcome;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void print_summary(const Cell& cell, const Outcome& outcome, int damaged_sources) {
  std::cout << cell.name() << " seed=" << cell.seed << ":";
  for (const auto& [what, count] : outcome.counts) std::cout << ' ' << count << ' ' << what << ';';
  const double rate = outcome.writing_seconds > 0
                          ? static_cast<double>(outcome.commits) / outcome.writing_seconds
                          : 0;
  std::printf(" median %.1f ms, worst %.1f ms; %.0f commits/s, worst stall %.1f ms",
              median(outcome.milliseconds),
              outcome.milliseconds.empty() ? 0 : std::ranges::max(outcome.milliseconds), rate,
              outcome.worst_stall_ms);
  if (damaged_sources > 0) {
    std::printf("; %d SOURCES DAMAGED by their owners (SQLite's WAL-reset bug), run again",
                damaged_sources);
  }
  std::printf("\n");
  static_cast<void>(std::fflush(stdout));
  if (!outcome.first_problem.empty()) std::cout << "  first bad: " << outcome.first_problem << '\n';
  if (!outcome.first_refusal.empty()) {
    std::cout << "  first refusal: " << outcome.first_refusal << '\n';
  }
}

template <typename Enum>
Enum parse_enum(const std::string& text, const std::string& option) {
  const std::optional<Enum> value = kit::from_string<Enum>(text);
  if (!value) throw Error(Errc::usage, "the value '" + text + "' of --" + option + " is not known");
  return *value;
}

std::optional<Cell> parse_cell(int argc, char** argv) {
  Cell cell;
  std::string journal_mode = "wal";
  std::string locking = "normal";
  std::string checkpoint = "none";
  po::options_description options("torture: copies under live writers, checked\noptions");
  // clang-format off
  options.add_options()
    ("help", "this text")
    ("strategy", po::value(&cell.strategy), "as in sqlbk copy")
    ("journal-mode", po::value(&journal_mode), "wal, delete, truncate, persist, memory, off")
    ("locking", po::value(&locking), "normal, exclusive")
    ("checkpoint", po::value(&checkpoint), "of a process of its own: none, passive, full, restart, truncate")
    ("checkpoint-every-ms", po::value(&cell.checkpoint_every_ms), "")
    ("writers", po::value(&cell.writers), "processes")
    ("pause-us", po::value(&cell.pause_us), "of a writer between two transactions")
    ("size-mb", po::value(&cell.size_mb), "of the database")
    ("rows", po::value(&cell.rows), "transfers in a transaction")
    ("vary-rows", po::bool_switch(&cell.vary_rows), "1 to --rows of them")
    ("savepoints", po::bool_switch(&cell.savepoints), "partial rollbacks: frames without checksums")
    ("rollbacks", po::bool_switch(&cell.rollbacks), "every fourth transaction is rolled back")
    ("cache-pages", po::value<unsigned>(), "of a writer; few make it spill")
    ("copies", po::value(&cell.copies), "at most")
    ("seconds", po::value(&cell.seconds), "at most; 0: no limit")
    ("timeout-ms", po::value(&cell.timeout), "deadline of one copy")
    ("seed", po::value(&cell.seed), "of everything random")
    ("may-refuse", po::bool_switch(&cell.may_refuse), "refused copies are no failure")
    ("keep", po::value(&cell.keep), "directory for bad copies")
    ("directory", po::value(&cell.directory), "where to work (default: $TMPDIR)");
  // clang-format on
  po::variables_map given;
  po::store(po::parse_command_line(argc, argv, options), given);
  po::notify(given);
  if (given.count("help") != 0) {
    std::cout << options;
    return std::nullopt;
  }
  if (given.count("cache-pages") != 0) cell.cache_pages = given["cache-pages"].as<unsigned>();
  cell.journal_mode = parse_enum<kit::JournalMode>(journal_mode, "journal-mode");
  cell.locking = parse_enum<kit::LockingMode>(locking, "locking");
  cell.checkpoint = parse_enum<kit::CheckpointMode>(checkpoint, "checkpoint");
  return cell;
}

int run(int argc, char** argv) {
  std::optional<Cell> cell = parse_cell(argc, argv);
  if (!cell) return 0;
  Registry registry;
  copy::register_builtin_strategies(registry);
  checkpoint::register_builtin_steps(registry);
  for (int damaged = 0;; ++damaged) {
    const Outcome outcome = run_cell(*cell, registry);
    if (outcome.source_damaged && damaged < kDamagedSourceTries) {
      std::cout << cell->name() << " seed=" << cell->seed
                << ": SOURCE DAMAGED by its owners, running the cell again with a new seed\n";
      cell->seed += 100'000;
      continue;
    }
    print_summary(*cell, outcome, damaged);
    const bool good = outcome.bad() == 0 && !outcome.source_damaged &&
                      (cell->may_refuse || outcome.refused() == 0);
    return good ? 0 : 1;
  }
}

}  // namespace
}  // namespace sqlbk

int main(int argc, char** argv) {
  try {
    return sqlbk::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "torture: " << error.what() << '\n';
    return 2;
  }
}
