#include "live.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <span>

#include "kit/checker.hpp"
#include "kit/load.hpp"
#include "kit/workload.hpp"
#include "kit/writing_meter.hpp"
#include "print.hpp"
#include "source_copy.hpp"
#include "spread.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"

namespace sqlbk::tool::bench {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr unsigned kMostCopies = 500;  // of one tool under one load
constexpr int kDamagedSourceTries = 3;
constexpr std::chrono::milliseconds kMostWarmUp = 200ms;
constexpr std::uint64_t kMiB = 1U << 20U;

// Rollback modes need a pause, or nobody ever gets a lock; who lets nobody in has to leave the time
// of a copy.
std::chrono::microseconds usual_pause(const kit::Load& load) {
  const bool wal = load.journal_mode == kit::JournalMode::wal;
  if (load.locking == kit::LockingMode::exclusive) return wal ? 2ms : 50ms;
  if (!wal) return 3ms;
  return load.writers == 1 ? 0us : 500us;  // the WAL of several without a pause has no bound
}

std::vector<kit::Load> loads_of(const Options& options) {
  std::vector<kit::Load> loads;
  for (const kit::LockingMode locking : options.lockings) {
    for (const kit::JournalMode mode : options.journal_modes) {
      kit::Load load;
      load.journal_mode = mode;
      load.locking = locking;
      const bool exclusive = locking == kit::LockingMode::exclusive;
      // An exclusive owner lets no second one in.
      load.writers = exclusive ? 1 : options.writers;
      load.checkpoint = exclusive ? kit::CheckpointMode::none : options.checkpoint;
      load.rows = options.rows;
      load.seed = options.seed;
      load.pause = options.pause.value_or(usual_pause(load));
      loads.push_back(load);
    }
  }
  return loads;
}

std::string pause_text(std::chrono::microseconds pause) {
  if (pause.count() == 0) return "without a pause";
  const auto count = pause.count();
  return "pausing " +
         (count % 1000 == 0 ? std::to_string(count / 1000) + " ms" : std::to_string(count) + " us");
}

std::string name_of(const kit::Load& load) {
  std::string name(kit::to_string(load.journal_mode));
  if (load.locking == kit::LockingMode::exclusive) name += ", exclusive";
  name += ", " + std::to_string(load.writers) + (load.writers == 1 ? " writer " : " writers ") +
          pause_text(load.pause);
  if (load.checkpoint != kit::CheckpointMode::none) {
    name += ", checkpointer " + std::string(kit::to_string(load.checkpoint));
  }
  return name;
}

double seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

// The first problem is the most telling.
std::string in_short(const kit::CheckResult& result) {
  std::string words(kit::to_string(result.verdict));
  if (!result.problems.empty()) words += ": " + result.problems.front();
  std::ranges::replace(words, '\n', ' ');
  return words;
}

// A database with its writers, from their start to the look at what they left.
class LiveDatabase {
 public:
  LiveDatabase(const std::string& path, const kit::Load& load, const Options& options,
               const Workplace& place)
      : path_(path), load_(load), owners_(kit::start_owners(load, path, place.launch())) {
    kit::warm_up(load, path, writers());
    place.sleep_for(std::min(kMostWarmUp, options.live_time / 3));
    meter_.emplace(writers());
  }

  std::vector<kit::Committed> floor() const { return kit::committed_by(writers()); }
  double measured_seconds() const { return meter_->time().count(); }

  void begin_window() {
    wal_before_ = wal_bytes();
    meter_->begin();
  }
  void end_window() {
    meter_->end();
    const std::uint64_t now = wal_bytes();
    if (now > wal_before_) wal_growth_ += now - wal_before_;
  }
  Writing writing() const {
    return {.commits_per_second = meter_->commits_per_second(),
            .p99_stall_seconds = seconds(meter_->stall_percentile(0.99)),
            .worst_stall_seconds = seconds(meter_->worst_stall()),
            .wal_growth_bytes = wal_growth_};
  }

  // Stops the writers. False: the database itself is damaged, by SQLite.
  bool stop() {
    std::optional<Error> failure;
    std::vector<kit::Committed> last;
    for (kit::WriterProcess& owner : owners_) {
      const bool writes = owner.options().role == kit::Role::writer;
      try {
        const kit::Counters counters = owner.stop();
        if (writes) last.push_back({owner.options().writer_id, counters.committed});
      } catch (const Error& error) {
        if (!failure) failure = error;
      }
    }
    owners_.clear();
    const bool sound = kit::check_source(path_, last).good();
    // A writer that fails on a sound database is no matter of damage.
    if (failure && sound) throw Error(*failure);
    return sound;
  }

 private:
  std::span<const kit::WriterProcess> writers() const {
    return std::span(owners_.data(), load_.writers);
  }
  std::uint64_t wal_bytes() const {
    const std::optional<FileStat> found = stat_path(path_ + "-wal");
    return found ? found->size_bytes : 0;
  }

  std::string path_;
  kit::Load load_;
  std::vector<kit::WriterProcess> owners_;
  std::optional<kit::WritingMeter> meter_;
  std::uint64_t wal_before_ = 0;
  std::uint64_t wal_growth_ = 0;
};

void judge(const CopyOutcome& outcome, const std::string& destination,
           const std::vector<kit::Committed>& floor, LiveTiming& timing) {
  if (outcome.end != CopyEnd::success) {
    ++(outcome.end == CopyEnd::timed_out ? timing.timed_out : timing.refused);
    if (timing.first_refusal.empty()) timing.first_refusal = outcome.words;
    return;
  }
  const kit::CheckResult result = kit::check_copy(destination, floor);
  switch (result.verdict) {
    case kit::CopyVerdict::good:
      ++timing.good;
      return;
    case kit::CopyVerdict::torn:
      ++timing.torn;
      break;
    case kit::CopyVerdict::stale:
      ++timing.stale;
      break;
    case kit::CopyVerdict::unreadable:
      ++timing.unreadable;
      break;
  }
  if (timing.first_bad.empty()) timing.first_bad = in_short(result);
}

class LiveMeasurement {
 public:
  LiveMeasurement(const Options& options, std::string template_database, Workplace& place)
      : options_(options), template_(std::move(template_database)), place_(place) {}

  LoadResult run(const kit::Load& load, const std::vector<Contender>& contenders,
                 std::vector<std::string>& notes) {
    LoadResult result;
    result.name = name_of(load);
    place_.say(result.name + ": no copies");
    result.alone = alone(load, result.main_bytes);
    const auto megabytes = result.main_bytes / kMiB;
    deadline_ = options_.deadline.value_or(options_.live_patience +
                                           std::chrono::milliseconds(50 * megabytes));
    result.deadline_seconds = seconds(deadline_);
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      if (!contenders[i].available()) continue;
      place_.say(result.name + ": " + contenders[i].tool.name);
      result.timings.push_back(copies(load, contenders[i], result.name, notes));
      result.timings.back().tool = i;
    }
    return result;
  }

 private:
  std::string make_source(const kit::TemporaryDirectory& directory, const kit::Load& load) const {
    std::string source = directory.file("source.db");
    if (!template_.empty()) {
      std::filesystem::copy_file(template_, source);
      return source;
    }
    kit::create_database(source, {.size_mb = options_.live_size_mb,
                                  .page_size = options_.page_size,
                                  .seed = load.seed,
                                  .journal_mode = load.journal_mode});
    return source;
  }

  Writing alone(const kit::Load& load, std::uint64_t& main_bytes) {
    const kit::TemporaryDirectory directory(place_.path());
    const std::string source = make_source(directory, load);
    main_bytes = stat_path(source)->size_bytes;
    LiveDatabase database(source, load, options_, place_);
    database.begin_window();
    place_.sleep_for(options_.live_time);
    database.end_window();
    static_cast<void>(database.stop());
    return database.writing();
  }

  LiveTiming copies(kit::Load load, const Contender& contender, const std::string& name,
                    std::vector<std::string>& notes) {
    for (int damaged = 0;; ++damaged) {
      LiveTiming timing = copies_once(load, contender);
      if (!timing.source_damaged) return timing;
      const bool again = damaged < kDamagedSourceTries;
      notes.push_back(name + ", " + contender.tool.name +
                      ": the writers damaged their own database (SQLite's WAL-reset bug); " +
                      (again ? "done again with another seed" : "its copies are not judged"));
      if (!again) return timing;
      load.seed += 100'000;
    }
  }

  LiveTiming copies_once(const kit::Load& load, const Contender& contender) {
    const kit::TemporaryDirectory directory(place_.path());
    const std::string source = make_source(directory, load);
    const std::string destination = directory.file("copy.db");
    LiveDatabase database(source, load, options_, place_);
    LiveTiming timing;
    std::vector<double> wall;
    const double enough = seconds(options_.live_time);
    const auto began = Clock::now();
    unsigned copies = 0;
    do {
      kit::remove_copy(destination);
      const std::vector<kit::Committed> floor = database.floor();
      database.begin_window();
      const CopyOutcome outcome = copy_with(contender, source, destination, deadline_, place_);
      database.end_window();
      if (outcome.end == CopyEnd::success) wall.push_back(outcome.wall_seconds());
      judge(outcome, destination, floor, timing);
      ++copies;
      // Checks of large databases take longer than copies.
    } while (copies < kMostCopies && database.measured_seconds() < enough &&
             seconds(Clock::now() - began) < 3 * enough);
    timing.wall_seconds = spread_of(wall);
    timing.source_damaged = !database.stop();
    timing.with_copies = database.writing();
    return timing;
  }

  const Options& options_;
  std::string template_;
  Workplace& place_;
  std::chrono::milliseconds deadline_{0};
};

// The user's database with the workload's tables in it; "": it cannot be used, and a note says why.
std::string make_template(const Options& options, const Registry& registry,
                          const CancelToken& cancel, const std::string& path,
                          std::vector<std::string>& notes) {
  copy_source(options.database, path, SourceForm::one_file, registry, cancel);
  std::string why;
  try {
    kit::add_workload(path, options.seed);
    const kit::CheckResult result = kit::check_copy(path);
    if (!result.good()) why = in_short(result);
  } catch (const Error& error) {
    why = error.what();
  }
  if (why.empty()) return path;
  notes.push_back("the live part was left out: " + why);
  return "";
}

}  // namespace

std::vector<LoadResult> measure_live(const Options& options, const Registry& registry,
                                     const std::vector<Contender>& contenders,
                                     const CancelToken& cancel, Workplace& place,
                                     std::vector<std::string>& notes) {
  std::vector<LoadResult> results;
  if (options.live_time.count() == 0) return results;
  const kit::TemporaryDirectory directory(place.path());
  std::string template_database;
  if (!options.database.empty()) {
    place.say("copying " + options.database);
    template_database =
        make_template(options, registry, cancel, directory.file("template.db"), notes);
    if (template_database.empty()) return results;
  }
  LiveMeasurement measurement(options, template_database, place);
  for (const kit::Load& load : loads_of(options)) {
    results.push_back(measurement.run(load, contenders, notes));
  }
  return results;
}

}  // namespace sqlbk::tool::bench
