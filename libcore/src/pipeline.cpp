#include "sqlbk/core/pipeline.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <string_view>
#include <utility>

#include "room.hpp"
#include "settle.hpp"
#include "sqlbk/core/attempts.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/wal_reset_bug.hpp"

namespace sqlbk {
namespace {

// Adds the time until its end to one of the report's figures.
class Stopwatch {
 public:
  explicit Stopwatch(Nanoseconds& sum) : sum_(sum) {}
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() { sum_ += std::chrono::steady_clock::now() - start_; }

 private:
  Nanoseconds& sum_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

std::uint64_t size_or_zero(const std::string& path) {
  const std::optional<FileStat> stat = stat_path(path);
  return stat ? stat->size_bytes : 0;
}

// Older than this, a change has a time that no later one can have (docs/consistency.md).
constexpr std::chrono::milliseconds kQuietTime{50};

SourceIdentity identity_of(const SourceFacts& facts) {
  SourceIdentity identity{.device = facts.main.device,
                          .inode = facts.main.inode,
                          .size_bytes = facts.main.size_bytes,
                          .wal_size_bytes = facts.wal_size_bytes()};
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  const std::int64_t newest = std::max(facts.main.ctime_ns, facts.wal ? facts.wal->ctime_ns : 0);
  if (now - std::chrono::nanoseconds(newest) >
      kQuietTime + facts.file_system.timestamp_granularity) {
    identity.ctime_ns = facts.main.ctime_ns;
    identity.wal_ctime_ns = facts.wal ? facts.wal->ctime_ns : 0;
  }
  return identity;
}

// Of the file that was copied. Where another one had its name at the first look, nothing tells when
// it was changed last before it was copied.
SourceIdentity identity_of_copied(const SourceIdentity& at_first, const LiveFiles& files) {
  const FileStat main = files.stat(SourceFile::main);
  if (main.device == at_first.device && main.inode == at_first.inode) return at_first;
  SourceIdentity identity{
      .device = main.device, .inode = main.inode, .size_bytes = main.size_bytes};
  if (files.has(SourceFile::wal)) identity.wal_size_bytes = files.stat(SourceFile::wal).size_bytes;
  return identity;
}

// A message names path(): where that is neither the source nor the destination (a file in the
// staging directory, or none), it does not say yet which copy failed.
void name_the_copy(Error& error, const std::string& source, const std::string& destination) {
  const bool names_it = error.path() == source || error.path() == destination;
  error.with_source(source).with_destination(destination);
  if (names_it || error.code() == Errc::interrupted) return;
  error.add_context("unable to copy " + quoted(source) + " to " + quoted(destination));
  if (error.path().empty()) error.with_path(source);
}

// A copy that nothing proves may be torn: what is found in it says nothing about its source.
Error torn_copy(const std::string& source, Error found) {
  return found.with_code(Errc::source_changed)
      .add_context("the unproven copy of " + quoted(source) + " is torn")
      .with_path(source)
      .with_hint(
          "try again, or leave out --no-copy-retry-strict: then only a copy that is proven "
          "consistent is made");
}

// Throws where a step could not vouch for the copy: what broke its check off, or what it found.
void require_good(const StepReport& step, const Report& report) {
  const std::string& source = report.source;
  const bool damaged = step.verdict == StepVerdict::damaged;
  if (!damaged && step.verdict != StepVerdict::could_not_check) return;
  const std::string what = "the step " + quoted(step.name) +
                           (damaged ? " found damage in" : " could not check") + " the copy of " +
                           quoted(source);
  if (step.error && !damaged) throw Error(*step.error).add_context(what).with_path(source);
  const std::string finding = step.findings.empty() ? "" : ": " + step.findings.front();
  Error error(damaged ? Errc::damaged : Errc::sqlite_error, what + finding);
  if (step.error) error.with_sqlite_code(step.error->sqlite_extended_code());
  error.with_path(source);
  if (damaged && report.verdict == Verdict::unproven) throw torn_copy(source, error);
  throw Error(error);
}

// Runs `work`, whose errors then say which copy failed. `report` has the destination as soon as it
// is known.
template <typename Work>
void run_named(const CopyRequest& request, const Report& report, Work work) {
  try {
    work();
  } catch (Error& error) {
    name_the_copy(error, request.source,
                  report.destination.empty() ? request.destination : report.destination);
    throw;
  }
}

// A proof cannot be had on a foreign file system; a copy that promises nothing may be.
SourceAllowance allowance_of(const CopyRequest& request, StrategyChooser& strategy) {
  return {.foreign = request.copy.allow_unproven && strategy.unproven() != nullptr,
          .by_sqlite_alone = works_by_sqlite_alone(strategy.traits(), request.copy),
          .opaque = request.copy.opaque};
}

// A copy that is staged elsewhere takes its space a second time where it will stand.
bool is_on_another_file_system(const std::string& directory, const std::string& other) {
  const std::optional<FileStat> one = stat_path(directory);
  const std::optional<FileStat> two = stat_path(other);
  return one && two && one->device != two->device;
}

void take_state(SettledState state, Report& report) {
  report.page_size_bytes = state.page_size_bytes;
  report.change_counter = state.change_counter;
  report.schema_cookie = state.schema_cookie;
  std::ranges::move(state.warnings, std::back_inserter(report.warnings));
}

void take_evidence(ProvenCopy copy, Report& report) {
  report.strategy = std::move(copy.strategy);
  report.verdict = copy.evidence.verdict;
  report.wal = copy.evidence.wal;
  report.assumptions = std::move(copy.evidence.assumptions);
  report.warnings = std::move(copy.evidence.warnings);
}

// An encrypted database is delivered as it lies there: its WAL cannot be folded, no header field
// patched, and only bytes be moved.
void require_no_content(CopyRequest& request, const StrategyChooser& strategy) {
  if (strategy.traits().reads_content) {
    throw Error(Errc::usage, "the strategy " + quoted(request.strategy) +
                                 " reads the content of the source, which --opaque says is "
                                 "encrypted")
        .with_hint("auto, lock, retry-verify or a mover alone");
  }
  if (request.journal_mode == JournalMode::wal) {
    throw Error(Errc::usage, "the journal mode of an encrypted copy cannot be set")
        .with_hint("leave out --journal-mode, or --opaque");
  }
  request.copy.form = ImageForm::main_and_wal;
  request.journal_mode = JournalMode::keep;
}

}  // namespace

std::string_view to_string(StepVerdict verdict) noexcept {
  switch (verdict) {
    case StepVerdict::ok:
      return "ok";
    case StepVerdict::damaged:
      return "damaged";
    case StepVerdict::could_not_check:
      return "could_not_check";
    case StepVerdict::skipped:
      return "skipped";
  }
  return "unknown";
}

Pipeline Pipeline::build(CopyRequest request, const Registry& registry) {
  Pipeline pipeline;
  if (request.source.empty()) throw Error(Errc::usage, "no source was given");
  if (request.destination.empty()) throw Error(Errc::usage, "no destination was given");
  pipeline.strategy_ = registry.strategy(request.strategy);
  if (request.copy.opaque) require_no_content(request, *pipeline.strategy_);
  const bool wants_wal = request.copy.form == ImageForm::main_and_wal;
  if (wants_wal && !pipeline.strategy_->traits().can_deliver_wal) {
    throw Error(Errc::usage, "the strategy " + quoted(request.strategy) +
                                 " cannot deliver main and -wal unmerged")
        .with_hint("leave out --keep-wal, or choose another strategy");
  }
  if (wants_wal && request.journal_mode == JournalMode::rollback) {
    throw Error(Errc::usage, "a copy with its -wal stays in WAL mode")
        .with_hint("leave out --journal-mode delete, or --keep-wal");
  }
  std::string digest_step;
  for (const std::string& spec : request.steps) {
    pipeline.steps_.push_back(registry.step(spec));
    const StepTraits traits = pipeline.steps_.back()->traits();
    if (!digest_step.empty() && traits.changes_image) {
      throw Error(Errc::usage, "the step " + quoted(spec) + " changes the copy after " +
                                   quoted(digest_step) + ", whose digest would then be wrong")
          .with_hint("put " + digest_step + " last");
    }
    if (traits.takes_digest) digest_step = spec;
    if (traits.publishes_digest) request.target.digest = true;
    if (request.copy.opaque && traits.reads_content) {
      throw Error(Errc::usage,
                  "the step " + quoted(spec) +
                      " reads the content of the copy, which --opaque says is encrypted")
          .with_hint("leave out the step, or --opaque");
    }
  }
  pipeline.request_ = std::move(request);
  return pipeline;
}

void Pipeline::run(RunContext& context, Report& report) {
  run_named(request_, report, [&] { context.run_isolated([&] { run_here(context, report); }); });
}

Report Pipeline::run() {
  Progress progress;
  const CancelToken cancel;
  RunContext context(progress, cancel);
  Report report;
  run(context, report);
  return report;
}

void Pipeline::plan(RunContext& context, Report& report) {
  run_named(request_, report, [&] { context.run_isolated([&] { plan_here(context, report); }); });
}

void Pipeline::plan_here(RunContext& context, Report& report) {
  report.source = request_.source;
  report.destination = resolve_destination(request_.source, request_.destination);
  report.strategy_asked = request_.strategy;
  LiveFiles files(request_.source);
  const SourceFacts facts = probe_source(files);
  // In the order in which a run comes to them.
  require_copyable(facts, allowance_of(request_, *strategy_));
  check_destination(report.destination, facts, request_.target, room_check(files, facts, context));
  preview_attempts(*strategy_, files, facts, request_.copy, context);
  const bool may_be_unproven = request_.copy.allow_unproven && strategy_->unproven() != nullptr;
  const bool wants_one_file = request_.copy.form == ImageForm::folded;
  // A copy that nothing proves is made even of that, as one file.
  if (!may_be_unproven || !wants_one_file) require_not_struck(files, request_.copy.opaque);
  if (!request_.copy.opaque) require_whole(files, facts);
  report.decisions = strategy_->explain(facts);
  for (const auto& step : steps_) {
    report.decisions.push_back("then " + std::string(step->name()));
  }
  context.tick();
}

// By the strategy that is tried first: no other is tried where that one finds no space.
RoomCheck Pipeline::room_check(LiveFiles& files, const SourceFacts& facts, RunContext& context) {
  const StrategyTraits traits = strategy_->choose(facts, request_.copy).front().strategy->traits();
  const bool keeps_size =
      std::ranges::none_of(steps_, [](const auto& step) { return step->traits().changes_image; });
  return [=, this, &files, &facts, &context](const std::string& staging,
                                             const std::string& published) {
    CopyRoom room(files, facts, traits, request_.copy.form, context);
    room.require_staged_in(staging);
    if (keeps_size && is_on_another_file_system(staging, published)) {
      room.require_published_in(published);
    }
  };
}

Report Pipeline::stage(RunContext& context, const Look& look) {
  Report report;
  bool is_copied = false;  // what `look` throws is no failure of the copy
  const Look look_at_copy = [&](StagedImage& image, const Report& so_far) {
    is_copied = true;
    look(image, so_far);
  };
  try {
    context.run_isolated([&] { stage_here(context, report, look_at_copy); });
  } catch (Error& error) {
    if (!is_copied) name_the_copy(error, request_.source, request_.target.tempdir);
    throw;
  }
  return report;
}

void Pipeline::stage_here(RunContext& context, Report& report, const Look& look) {
  const Stopwatch total(report.total_time);
  report.source = request_.source;
  report.strategy_asked = request_.strategy;
  context.progress().begin(Phase::probe, 0);
  context.tick();
  LiveFiles files(request_.source);
  const SourceFacts facts = probe(files, report);
  StagedTarget target(facts, request_.target.tempdir, room_check(files, facts, context));
  fill(target, files, context, report);
  report.size_bytes = size_or_zero(target.image().main_path());
  context.on_host([&] { look(target.image(), report); });
}

SourceFacts Pipeline::probe(LiveFiles& files, Report& report) const {
  const Stopwatch time(report.probe_time);
  SourceFacts facts = probe_source(files);
  require_copyable(facts, allowance_of(request_, *strategy_));
  return facts;
}

// Copies, and brings the copy into the form that was asked for.
void Pipeline::fill(StagedTarget& target, LiveFiles& files, RunContext& context, Report& report) {
  const std::uint64_t moved_before = context.progress().moved_bytes.load();
  AttemptLog log;
  const auto take_log = [&] {
    report.attempts = log.attempts;
    report.decisions = std::move(log.decisions);
    report.moved_bytes = context.progress().moved_bytes.load() - moved_before;
  };
  try {
    const Stopwatch time(report.copy_time);
    take_evidence(run_attempts(*strategy_, files, target.image(), request_.copy, context, log),
                  report);
  } catch (...) {
    take_log();
    throw;
  }
  take_log();
  const Stopwatch time(report.fold_time);
  try {
    take_state(settle_image(target.image(), request_, context), report);
  } catch (const Error& error) {
    if (report.verdict != Verdict::unproven || error.code() != Errc::damaged) throw;
    throw torn_copy(request_.source, error);
  }
}

void Pipeline::run_here(RunContext& context, Report& report) {
  const Stopwatch total(report.total_time);
  report.source = request_.source;
  report.destination = resolve_destination(request_.source, request_.destination);
  report.strategy_asked = request_.strategy;

  context.progress().begin(Phase::probe, 0);
  context.tick();
  // Declared first, destroyed last: the descriptor rule (live_files.hpp).
  LiveFiles files(request_.source);
  const SourceFacts facts = probe(files, report);
  const SourceIdentity at_first = identity_of(facts);
  StagedTarget target(report.destination, facts, request_.target,
                      room_check(files, facts, context));
  fill(target, files, context, report);
  report.source_identity = identity_of_copied(at_first, files);
  {
    const Stopwatch time(report.steps_time);
    run_steps(target.image(), context, report);
  }
  context.tick();
  const Stopwatch time(report.publish_time);
  context.progress().begin(Phase::sync, 0);
  target.sync(files);
  std::ranges::move(target.warnings(), std::back_inserter(report.warnings));
  report.size_bytes = size_or_zero(target.image().main_path());
  report.wal_size_bytes = size_or_zero(target.image().wal_path());
  if (report.size_bytes == 0) {
    report.warnings.emplace_back("the source is empty, which is an empty database");
  }
  if (target.image().digest) {
    report.sha256 = target.image().digest->main;
    report.wal_sha256 = target.image().digest->wal;
  }
  context.tick();
  context.progress().begin(Phase::publish, 0);
  // Asked before: nothing may fail any more once the copy stands there.
  const std::string old_digest = report.destination + std::string(kDigestSuffix);
  if (!request_.target.digest && stat_path(old_digest)) {
    report.warnings.push_back(quoted(old_digest) + " is not of this copy: it was there before");
  }
  try {
    target.publish();
  } catch (...) {
    report.is_published = target.is_published();
    throw;
  }
  report.is_published = true;
  std::ranges::move(target.warnings_of_publishing(), std::back_inserter(report.warnings));
  context.progress().begin(Phase::done, 0);
}

void Pipeline::run_steps(StagedImage& image, RunContext& context, Report& report) {
  for (const auto& step : steps_) {
    context.progress().begin(Phase::steps, 0);
    context.tick();
    context.log(LogLevel::info, "step " + std::string(step->name()));
    Nanoseconds elapsed{0};
    StepReport result;
    {
      const Stopwatch time(elapsed);
      // A step opens the copy through SQLite, which may call back into the host. What it opens of
      // the image it opens there, and so it is closed there.
      context.on_host([&] {
        try {
          result = step->run(image, context);
        } catch (...) {
          image.close_files();
          throw;
        }
        image.close_files();
      });
    }
    result.elapsed = elapsed;
    report.steps.push_back(result);
    require_good(result, report);
  }
}

}  // namespace sqlbk
