// torture: copies of a database while processes write to it, each copy checked for invariants of
// the data (torn?) and against what was committed before it began (stale?), and the source itself
// afterwards. One cell a run: a kind of writers, a strategy, a number of copies or a time.
// Prints one summary line; keeps a bad copy, with all that is known of it, under --keep.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/filesystem.hpp>

#include "cell.hpp"
#include "kit/checker.hpp"
#include "kit/statistics.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "kit/writer_process.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::torture {
namespace {

namespace fs = boost::filesystem;
using Clock = std::chrono::steady_clock;

// A source that SQLite itself has damaged (bug R) is not the copier's fault; the cell is run anew.
constexpr int kDamagedSourceTries = 3;

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
  unsigned good() const { return static_cast<unsigned>(milliseconds.size()); }
  unsigned tries() const {
    unsigned sum = 0;
    for (const auto& [what, count] : counts) sum += count;
    return sum;
  }
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
  if (report.wal) std::cerr << "  WAL frames: " << report.wal->frames << '\n';
}

Outcome run_cell(const Cell& cell, const Registry& registry) {
  const kit::TemporaryDirectory directory(cell.directory);
  const std::string source = directory.file("source.db");
  kit::create_database(
      source, {.size_mb = cell.size_mb, .seed = cell.seed, .journal_mode = cell.journal_mode});
  std::vector<kit::WriterProcess> owners = kit::start_owners(cell, source);
  const std::span<const kit::WriterProcess> writers(owners.data(), cell.writers);
  kit::warm_up(cell, source, writers);
  Outcome outcome;
  const auto began = Clock::now();
  for (unsigned i = 0; i < cell.copies; ++i) {
    const std::chrono::duration<double> elapsed = Clock::now() - began;
    if (cell.seconds > 0 && elapsed.count() > cell.seconds) break;
    const std::string destination = directory.file("copy.db");
    const std::vector<kit::Committed> floor = kit::committed_by(writers);
    Report report;
    const auto start = Clock::now();
    try {
      report = copy_once(cell, registry, source, destination);
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

void print_summary(const Cell& cell, const Outcome& outcome, int damaged_sources) {
  std::cout << cell.name() << " seed=" << cell.seed << ":";
  for (const auto& [what, count] : outcome.counts) std::cout << ' ' << count << ' ' << what << ';';
  const double rate = outcome.writing_seconds > 0
                          ? static_cast<double>(outcome.commits) / outcome.writing_seconds
                          : 0;
  std::printf(" median %.1f ms, worst %.1f ms; %.0f commits/s, worst stall %.1f ms",
              kit::median(outcome.milliseconds),
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

int run(int argc, char** argv) {
  std::optional<Cell> cell =
      parse_cell(argc, argv, "torture: copies under live writers, each checked", {});
  if (!cell) return 0;
  const Registry registry = full_registry();
  for (int damaged = 0;; ++damaged) {
    const Outcome outcome = run_cell(*cell, registry);
    if (outcome.source_damaged && damaged < kDamagedSourceTries) {
      std::cout << cell->name() << " seed=" << cell->seed
                << ": SOURCE DAMAGED by its owners, running the cell again with a new seed\n";
      cell->seed += 100'000;
      continue;
    }
    print_summary(*cell, outcome, damaged);
    const bool enough = outcome.good() * 100 >= outcome.tries() * cell->good_percent;
    return outcome.bad() == 0 && !outcome.source_damaged && enough ? 0 : 1;
  }
}

}  // namespace
}  // namespace sqlbk::torture

int main(int argc, char** argv) {
  try {
    return sqlbk::torture::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "torture: " << error.what() << '\n';
    return 2;
  }
}
