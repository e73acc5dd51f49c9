#include "sizes.hpp"

#include <algorithm>
#include <chrono>
#include <fcntl.h>

#include "idle_owner.hpp"
#include "kit/corpus.hpp"
#include "print.hpp"
#include "source_copy.hpp"
#include "spread.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sqlite.hpp"

namespace sqlbk::tool::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMiB = 1U << 20U;

// All of it into the page cache, and onto the disk: every tool meets the same.
std::uint64_t settle_file(const std::string& path) {
  if (!stat_path(path)) return 0;
  const UniqueFd fd = open_at(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0, path);
  std::vector<std::byte> buffer(kMiB);
  std::uint64_t size = 0;
  while (const std::size_t n = read_up_to(fd.get(), buffer, size, path)) size += n;
  sync_file(fd.get(), path);
  return size;
}

// "": it looks like a copy. Only a glance: the live part checks every row. SQLite itself refuses a
// file that is shorter than its header says.
std::string glance(const std::string& copy, const std::string& newest_commits) {
  try {
    sqlite::Connection connection(copy, sqlite::OpenMode::read_write);
    const bool workload = !newest_commits.empty();
    const std::string found = workload
                                  ? connection.text("SELECT coalesce(sum(seq), 0) FROM counter")
                                  : connection.text("SELECT count(*) FROM sqlite_schema");
    if (workload && found != newest_commits) {
      return "it reported success, but the copy holds " + found + " of " + newest_commits +
             " transactions";
    }
    return "";
  } catch (const Error& error) {
    return std::string("it reported success, but: ") + error.what();
  }
}

// What one tool needed on one database, run after run.
class Runs {
 public:
  explicit Runs(std::size_t tool) { timing_.tool = tool; }

  bool hopeless() const noexcept { return timed_out_; }
  bool none_yet() const noexcept { return timing_.runs + timing_.failed == 0; }
  void fail(const std::string& words) {
    ++timing_.failed;
    if (timing_.first_failure.empty()) timing_.first_failure = words;
  }
  void reject(const std::string& words) {
    ++timing_.bad;
    fail(words);
  }
  void add(const CopyOutcome& outcome) {
    if (outcome.end != CopyEnd::success) {
      timed_out_ = outcome.end == CopyEnd::timed_out;
      fail(outcome.words);
      return;
    }
    ++timing_.runs;
    wall_.push_back(outcome.wall_seconds());
    cpu_.push_back(std::chrono::duration<double>(outcome.child.cpu).count());
    written_.push_back(static_cast<double>(outcome.child.written_bytes));
    timing_.peak_memory_bytes =
        std::max(timing_.peak_memory_bytes, outcome.child.peak_memory_bytes);
  }
  Timing result() const {
    Timing timing = timing_;
    timing.wall_seconds = spread_of(wall_);
    timing.cpu_seconds = spread_of(cpu_);
    timing.written_bytes = static_cast<std::uint64_t>(kit::median(written_));
    return timing;
  }

 private:
  Timing timing_;
  bool timed_out_ = false;  // another run would take as long again
  std::vector<double> wall_;
  std::vector<double> cpu_;
  std::vector<double> written_;
};

SizeResult measure(const std::string& source, const std::string& newest_commits,
                   const Options& options, const std::vector<Contender>& contenders,
                   const std::string& destination, Workplace& place) {
  SizeResult result;
  result.main_bytes = settle_file(source);
  result.wal_bytes = settle_file(source + "-wal");
  const kit::WriterProcess owner = start_idle_owner(source, place.launch());
  // As slow as no disk should be, and a minute.
  const std::uint64_t megabytes = (result.main_bytes + result.wal_bytes) / kMiB;
  const auto deadline = options.deadline.value_or(60s + std::chrono::milliseconds(100 * megabytes));
  std::vector<Runs> runs;
  for (std::size_t i = 0; i < contenders.size(); ++i) runs.emplace_back(i);
  for (unsigned round = 1; round <= options.repeat; ++round) {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      if (!contenders[i].available() || runs[i].hopeless()) continue;
      place.say("at rest, " + format_bytes(result.main_bytes) + ", run " + std::to_string(round) +
                " of " + std::to_string(options.repeat) + ": " + contenders[i].tool.name);
      const bool first = runs[i].none_yet();
      const CopyOutcome outcome = copy_with(contenders[i], source, destination, deadline, place);
      std::string problem;
      if (first && outcome.end == CopyEnd::success) problem = glance(destination, newest_commits);
      if (problem.empty()) {
        runs[i].add(outcome);
      } else {
        runs[i].reject(problem);
      }
    }
  }
  kit::remove_copy(destination);
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    if (contenders[i].available()) result.timings.push_back(runs[i].result());
  }
  return result;
}

kit::Corpus make_source(const std::string& path, std::uint32_t size_mb, const Options& options) {
  kit::CorpusOptions corpus;
  corpus.database.size_mb = size_mb;
  corpus.database.page_size = options.page_size;
  corpus.database.seed = options.seed;
  corpus.wal_mb = options.wal_mb.value_or(size_mb / 4);
  return kit::make_corpus(path, corpus);
}

}  // namespace

std::vector<SizeResult> measure_sizes(const Options& options, const Registry& registry,
                                      const std::vector<Contender>& contenders,
                                      const CancelToken& cancel, Workplace& place) {
  std::vector<SizeResult> results;
  if (options.repeat == 0) return results;
  if (!options.database.empty()) {
    const kit::TemporaryDirectory directory(place.path());
    const std::string source = directory.file("source.db");
    place.say("copying " + options.database);
    copy_source(options.database, source, SourceForm::as_it_is, registry, cancel);
    results.push_back(measure(source, "", options, contenders, directory.file("copy.db"), place));
    return results;
  }
  for (const std::uint32_t size_mb : options.sizes_mb) {
    const kit::TemporaryDirectory directory(place.path());
    const std::string source = directory.file("source.db");
    place.say("making a database of " + std::to_string(size_mb) + " MiB");
    const kit::Corpus corpus = make_source(source, size_mb, options);
    place.check_cancel();
    const std::string newest =
        std::to_string(corpus.committed.empty() ? 0 : corpus.committed.front().sequence);
    results.push_back(
        measure(source, newest, options, contenders, directory.file("copy.db"), place));
  }
  return results;
}

}  // namespace sqlbk::tool::bench
