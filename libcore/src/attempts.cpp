#include "sqlbk/core/attempts.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "sqlbk/core/database_users.hpp"

namespace sqlbk {
namespace {

using namespace std::chrono_literals;
using Clock = Deadline::Clock;

// Between two attempts. Short: a saturating writer frees its lock for less than SQLite's own steps.
constexpr std::chrono::milliseconds kBetweenAttempts = 1ms;
// Between two rounds. A lock may be held for seconds; a writer leaves gaps of milliseconds.
constexpr std::chrono::milliseconds kBetweenRounds = 10ms;
constexpr std::chrono::milliseconds kBetweenBusyRounds = 50ms;
// Frames without checksums stay as they are once no program has the database open.
constexpr unsigned kProbesOfDeadFrames = 3;
// What cannot be seen from here in so many rounds will not be seen in the next.
constexpr unsigned kRoundsOfAssumptions = 3;

std::string in_seconds(Clock::duration time) {
  const auto tenths = std::chrono::duration_cast<std::chrono::milliseconds>(time).count() / 100;
  return std::to_string(tenths / 10) + '.' + std::to_string(tenths % 10) + " s";
}

Retry retry_of(const Error& error) {
  return errc_info(error.code()).retry;
}

// "lock+range" of "lock" or "lock+range", by the mover "range".
std::string made_by(const CopyStrategy& strategy, const std::string& mover) {
  if (mover.empty()) return std::string(strategy.name());
  if (strategy.traits().is_mover) return mover;
  const std::string_view name = strategy.name();
  return std::string(name.substr(0, name.find('+'))) + '+' + mover;
}

// A program that uses other files than these is one that keeps the source busy.
void require_these(const UsersAnswer& users, const std::string& source) {
  if (users.verdict != UsersVerdict::others) return;
  const Errc code = users.hint.empty() ? Errc::source_changed : Errc::source_busy;
  throw Error(code, "unable to prove a copy of " + quoted(source) + " complete: " + users.sentence)
      .with_path(source)
      .with_hint(users.hint);
}

void add_assumption_of(const UsersAnswer& users, std::vector<Assumption>& assumptions) {
  if (users.verdict != UsersVerdict::unknown) return;
  assumptions.push_back({AssumptionKind::these_files, users.sentence});
}

void require_allowed(const std::vector<Assumption>& assumptions, const CopyOptions& options,
                     const std::string& source) {
  if (options.allow_assumptions) return;
  for (const Assumption& assumption : assumptions) {
    if (std::ranges::count(options.assume, assumption.kind) != 0) continue;
    throw Error(Errc::assumption_refused, "unable to prove a copy of " + quoted(source) +
                                              " without assuming that " + assumption.sentence)
        .with_path(source)
        .with_hint("vouch for it with --assume " + std::string(to_string(assumption.kind)) +
                   ", or accept the verdict 'assumed' by leaving out --strict");
  }
}

// Why a copy cannot be proven, which does not stop one that nothing proves.
bool leaves_unproven_copy(Errc code) {
  if (code == Errc::unsuitable) return false;
  return errc_info(code).retry != Retry::no || code == Errc::unsupported_file_system ||
         code == Errc::wal_reset_bug;
}

// What the series of a run failed of.
class Failures {
 public:
  void begin_round() {
    ++rounds_;
    of_round_.clear();
  }
  void add(const Error& error) {
    ++counts_[error.code()];
    of_round_.insert(error.code());
    // That the time was over says less than what it was spent on.
    if (!last_ || error.code() != Errc::deadline_exceeded) last_ = error;
  }
  unsigned count(Errc code) const {
    const auto found = counts_.find(code);
    return found == counts_.end() ? 0 : found->second;
  }
  unsigned rounds() const { return rounds_; }
  // In the last round.
  bool only(Errc code) const { return of_round_ == std::set{code}; }
  const Error& last() const { return *last_; }

 private:
  std::map<Errc, unsigned> counts_;
  std::optional<Error> last_;
  unsigned rounds_ = 0;
  std::set<Errc> of_round_;
};

// However a series of attempts ends.
class SeriesEnd {
 public:
  explicit SeriesEnd(CopyStrategy& strategy) noexcept : strategy_(strategy) {}
  SeriesEnd(const SeriesEnd&) = delete;
  SeriesEnd& operator=(const SeriesEnd&) = delete;
  ~SeriesEnd() { strategy_.end_series(); }

 private:
  CopyStrategy& strategy_;
};

class AttemptLoop {
 public:
  AttemptLoop(StrategyChooser& chooser, LiveFiles& files, StagedImage& image,
              const CopyOptions& options, RunContext& context, AttemptLog& log)
      : chooser_(chooser),
        files_(files),
        image_(image),
        options_(options),
        context_(context),
        log_(log),
        users_(files),
        give_up_(time_for_attempts()),
        rounds_(std::max(1U, chooser.rounds(options))) {}

  ProvenCopy run() {
    try {
      while (failures_.rounds() < rounds_ && !is_over()) {
        if (failures_.rounds() > 0) pause();
        std::optional<ProvenCopy> copy = try_round();
        if (copy) return std::move(*copy);
      }
    } catch (const Error& error) {
      if (!leaves_unproven_copy(error.code())) throw;
      return copy_unproven(error);
    }
    return copy_unproven(last_failure());
  }

 private:
  // Half of what is left, where an unproven copy may have to be made in the rest.
  Deadline time_for_attempts() const {
    const Deadline& run = context_.deadline();
    if (!options_.allow_unproven || run.is_never()) return run;
    return Deadline::at(start_ + run.left() / 2);
  }

  // Every choice in turn, for a source that is probed anew.
  std::optional<ProvenCopy> try_round() {
    failures_.begin_round();
    files_.begin_attempt();
    const SourceFacts facts = probe_source(files_);
    require_copyable(facts, {.by_sqlite_alone = works_by_sqlite_alone(chooser_.traits(), options_),
                             .opaque = options_.opaque});
    for (const Choice& choice : chooser_.choose(facts, options_)) {
      // A locking strategy that used up the lock budget is not retried.
      if (choice.strategy->traits().takes_locks && failures_.count(Errc::lock_budget_exceeded)) {
        continue;
      }
      std::optional<ProvenCopy> copy = try_choice(choice);
      if (copy || is_over() || waits_for_next_round()) return copy;
    }
    const bool no_try_helps = failures_.only(Errc::unsuitable) ||
                              failures_.count(Errc::frames_without_checksum) >= kProbesOfDeadFrames;
    stays_as_it_is_ = (facts.at_rest() && no_try_helps) ||
                      failures_.count(Errc::assumption_refused) >= kRoundsOfAssumptions;
    return std::nullopt;
  }

  std::optional<ProvenCopy> try_choice(const Choice& choice) {
    if (!choice.reason.empty()) {
      is_named_ = false;
      log_.decisions.push_back(std::string(choice.strategy->name()) + ": " + choice.reason);
      context_.log(LogLevel::debug, "auto tries " + log_.decisions.back());
    }
    try {
      return try_series(choice);
    } catch (const Error& error) {
      if (retry_of(error) == Retry::no) throw;
      context_.log(LogLevel::info, error.what());
      failures_.add(error);
      image_.discard();
      return std::nullopt;
    }
  }

  // Attempts of one strategy, until one succeeds or the policy says that it is enough.
  ProvenCopy try_series(const Choice& choice) {
    const SeriesEnd end(*choice.strategy);
    const Clock::time_point busy_until = Clock::now() + choice.policy.busy_patience;
    unsigned counted = 0;
    unsigned dead_frames = 0;
    std::optional<Error> reason;
    while (true) {
      const Clock::time_point start = Clock::now();
      bool has_begun = false;
      try {
        files_.begin_attempt();
        require_these(users_.at_start());
        has_begun = true;
        return try_once(*choice.strategy);
      } catch (Error& error) {
        if (retry_of(error) == Retry::no) throw;
        longest_attempt_ = std::max(longest_attempt_, Clock::now() - start);
        NextAttempt next;
        if (has_begun) next = choice.strategy->after_failure(error, image_);
        // That the time was over says less than what it was spent on.
        if (error.code() == Errc::deadline_exceeded && reason) throw Error(*reason);
        const bool is_busy = error.code() == Errc::source_busy && Clock::now() < busy_until;
        if (!is_busy) ++counted;
        const bool is_lost = error.code() == Errc::frames_without_checksum;
        dead_frames = is_lost && !lock_state(files_).any() ? dead_frames + 1 : 0;
        if (!next.hint.empty()) error.with_hint(std::move(next.hint));
        const bool may_go_on = retry_of(error) == Retry::same_strategy && next.may_succeed &&
                               dead_frames < kProbesOfDeadFrames &&
                               counted < std::max(1U, choice.policy.attempts) && !is_over() &&
                               !waits_for_next_round();
        if (!may_go_on) throw;
        context_.log(LogLevel::debug, error.what());
        reason = error;
      }
      sleep_for(kBetweenAttempts);
    }
  }

  ProvenCopy try_once(CopyStrategy& strategy) {
    ++log_.attempts;
    begin_to_copy();
    RunContext phase = context_.until(give_up_);
    Evidence evidence = strategy.attempt(files_, image_, options_, phase);
    const UsersAnswer users = users_.at_end();
    require_these(users);
    add_assumption_of(users, evidence.assumptions);
    judge(evidence);
    std::string name = made_by(strategy, evidence.mover);
    return {.evidence = std::move(evidence), .strategy = std::move(name)};
  }

  void require_these(const UsersAnswer& users) {
    uses_others_ = users.verdict == UsersVerdict::others;
    sqlbk::require_these(users, files_.given_path());
  }

  // No strategy helps against that, only time; where there are rounds, they leave some.
  bool waits_for_next_round() const { return uses_others_ && rounds_ > 1; }

  // What rests on an assumption says so, or is refused.
  void judge(Evidence& evidence) const {
    if (evidence.assumptions.empty()) return;
    evidence.verdict = Verdict::assumed;
    require_allowed(evidence.assumptions, options_, files_.given_path());
  }

  void begin_to_copy() {
    std::uint64_t size_bytes = files_.stat(SourceFile::main).size_bytes;
    if (files_.has(SourceFile::wal)) size_bytes += files_.stat(SourceFile::wal).size_bytes;
    context_.progress().begin(Phase::copy, size_bytes);
  }

  // No other attempt begins. Without a deadline of the run the longest attempt says how long all of
  // them may take; none is cut off for that.
  bool is_over() const {
    if (stays_as_it_is_ || give_up_.has_passed()) return true;
    const Clock::duration most = std::max<Clock::duration>(10 * longest_attempt_, 60s);
    return give_up_.is_never() && Clock::now() - start_ >= most;
  }

  void pause() {
    busy_pause_ = failures_.only(Errc::source_busy)
                      ? std::min(busy_pause_ + kBetweenRounds, kBetweenBusyRounds)
                      : kBetweenRounds;
    sleep_for(busy_pause_);
  }

  // A cancel is heard; that the time is over is left to is_over(), which knows the reason.
  void sleep_for(std::chrono::milliseconds duration) {
    std::this_thread::sleep_for(duration);
    if (!give_up_.has_passed()) context_.tick();
  }

  // As it is of a strategy that was asked for by name, and where no time would have helped; else
  // with how long it was tried.
  Error last_failure() const {
    Error error = failures_.last();
    if (is_named_ || stays_as_it_is_) return error;
    error.add_context("gave up on " + quoted(files_.given_path()) + " after " +
                      std::to_string(failures_.rounds()) +
                      (failures_.rounds() == 1 ? " round" : " rounds") + " in " +
                      in_seconds(Clock::now() - start_));
    error.with_path(files_.given_path());
    // The default is to use the strategy that was used.
    if (error.code() == Errc::source_busy && !error.has_own_hint()) {
      error.with_hint("try again when the owner is idle or closed");
    }
    return error;
  }

  ProvenCopy copy_unproven(const Error& why) {
    CopyStrategy* const strategy = options_.allow_unproven ? chooser_.unproven() : nullptr;
    if (strategy == nullptr || !leaves_unproven_copy(why.code())) throw Error(why);
    image_.discard();
    ++log_.attempts;
    begin_to_copy();
    Evidence evidence = strategy->attempt(files_, image_, options_, context_);
    evidence.verdict = Verdict::unproven;
    evidence.warnings.push_back("this copy may be torn or stale: " + std::string(why.what()));
    std::string name = made_by(*strategy, evidence.mover);
    return {.evidence = std::move(evidence), .strategy = std::move(name)};
  }

  StrategyChooser& chooser_;
  LiveFiles& files_;
  StagedImage& image_;
  const CopyOptions& options_;
  RunContext& context_;
  AttemptLog& log_;
  DatabaseUsers users_;
  const Clock::time_point start_ = Clock::now();
  const Deadline give_up_;  // of the attempts that are to prove something
  Clock::duration longest_attempt_{0};
  Failures failures_;
  std::chrono::milliseconds busy_pause_ = kBetweenRounds;
  const unsigned rounds_;
  bool uses_others_ = false;
  bool is_named_ = true;
  bool stays_as_it_is_ = false;
};

UsersAnswer users_of(LiveFiles& files) {
  DatabaseUsers users(files);
  static_cast<void>(users.at_start());  // is in the answer at the end
  return users.at_end();
}

void preview_proof(const StrategyChooser& chooser, LiveFiles& files, const SourceFacts& facts,
                   const CopyOptions& options, RunContext& context) {
  const UsersAnswer users = users_of(files);
  // Without a hint: main was replaced just now, which another attempt mends.
  if (!users.hint.empty()) require_these(users, files.given_path());
  std::vector<Assumption> assumptions = chooser.preview(files, facts, options, context);
  add_assumption_of(users, assumptions);
  require_allowed(assumptions, options, files.given_path());
}

}  // namespace

ProvenCopy run_attempts(StrategyChooser& chooser, LiveFiles& files, StagedImage& image,
                        const CopyOptions& options, RunContext& context, AttemptLog& log) {
  return AttemptLoop(chooser, files, image, options, context, log).run();
}

void preview_attempts(StrategyChooser& chooser, LiveFiles& files, const SourceFacts& facts,
                      const CopyOptions& options, RunContext& context) {
  try {
    preview_proof(chooser, files, facts, options, context);
  } catch (const Error& error) {
    const bool may_be_unproven = options.allow_unproven && chooser.unproven() != nullptr;
    if (!may_be_unproven || !leaves_unproven_copy(error.code())) throw;
  }
}

}  // namespace sqlbk
