#include "automatic.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "../mover/movers.hpp"
#include "bare.hpp"
#include "follow.hpp"
#include "lock.hpp"
#include "retry_verify.hpp"
#include "snapshot.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Another strategy, or a later try, may still succeed after these.
bool is_worth_another_try(Errc code) {
  return code == Errc::source_changed || code == Errc::source_busy || code == Errc::unsuitable ||
         code == Errc::lock_budget_exceeded || code == Errc::frames_without_checksum ||
         code == Errc::deadline_exceeded;
}

// "1.6 s"
std::string seconds_text(Clock::duration time) {
  const auto tenths = std::chrono::duration_cast<std::chrono::milliseconds>(time).count() / 100;
  return std::to_string(tenths / 10) + '.' + std::to_string(tenths % 10) + " s";
}

// What the tries of a run failed of.
class Failures {
 public:
  void begin_round() {
    ++rounds_;
    only_busy_ = true;
  }
  void add(const Error& error) {
    ++counts_[error.code()];
    only_busy_ = only_busy_ && error.code() == Errc::source_busy;
    // That the time was over says less than what it was spent on.
    if (!last_ || error.code() != Errc::deadline_exceeded) last_ = error;
  }
  unsigned count(Errc code) const {
    const auto found = counts_.find(code);
    return found == counts_.end() ? 0 : found->second;
  }
  unsigned rounds() const { return rounds_; }
  // Of the last round.
  bool only_busy() const { return only_busy_; }
  [[noreturn]] void raise(const std::string& source) const {
    Error error(last_->code(), "gave up on " + quoted(source) + " after " +
                                   std::to_string(rounds_) + (rounds_ == 1 ? " round" : " rounds") +
                                   " in " + seconds_text(Clock::now() - start_) + ": " +
                                   last_->what());
    error.with_path(source);
    // The default is to use this strategy.
    const bool is_default = last_->hint() == errc_info(Errc::source_busy).hint;
    error.with_hint(is_default ? "try again when the owner is idle or closed, or raise --copy-retry"
                               : std::string(last_->hint()));
    throw error;
  }

 private:
  std::map<Errc, unsigned> counts_;
  std::optional<Error> last_;
  unsigned rounds_ = 0;
  bool only_busy_ = true;
  Clock::time_point start_ = Clock::now();
};

class AutomaticStrategy final : public CopyStrategy {
 public:
  std::string_view name() const noexcept override { return "auto"; }
  std::string_view summary() const noexcept override {
    return "looks at the source and chooses: a bare mover at rest, locks where they hold nobody "
           "up, else a proof without a lock";
  }
  StrategyTraits traits() const noexcept override {
    return {.takes_locks = true,
            .opens_with_sqlite = true,
            .handles_live_writer = true,
            .can_deliver_wal = true};
  }

  Suitability probe(const SourceFacts& facts) const override {
    return choose(facts).front().strategy->probe(facts);
  }

  std::vector<std::string> explain(const SourceFacts& facts) const override {
    std::vector<std::string> lines;
    for (const Choice& choice : choose(facts)) {
      lines.push_back(std::string(lines.empty() ? "first " : "else ") +
                      std::string(choice.strategy->name()) + ": " + choice.reason);
    }
    return lines;
  }

  void copy(LiveFiles& files, StagedTarget& target, RunContext& context, Report& report) override {
    const CopyOptions asked = context.options;
    const unsigned rounds = std::max(1U, asked.copy_retry);
    context.options.strict = true;
    Failures failures;
    std::chrono::milliseconds pause = kPause;
    while (failures.rounds() < rounds) {
      failures.begin_round();
      files.begin_attempt();
      const SourceFacts facts = probe_source(files);
      require_copyable(facts, {.opaque = context.options.opaque});
      for (const Choice& choice : choose(facts, asked.form)) {
        // Who has made its owner wait as long as it may does not do it again.
        if (choice.strategy->traits().takes_locks && failures.count(Errc::lock_budget_exceeded)) {
          continue;
        }
        if (try_one(choice, files, target, context, report, failures)) return;
        if (context.deadline.has_passed()) break;
      }
      context.deadline.first_pass_done();
      if (context.deadline.has_passed()) break;
      // Nobody is there who could turn such frames into something else.
      if (facts.at_rest() && failures.count(Errc::frames_without_checksum) >= 3) break;
      // Who holds it locked may do so for seconds; who writes leaves gaps of milliseconds.
      pause = failures.only_busy() ? std::min(pause + kPause, kLongestPause) : kPause;
      std::this_thread::sleep_for(pause);
    }
    if (asked.strict) failures.raise(files.given_path());
    context.options = asked;
    context.deadline = Deadline::never();
    target.image().discard();
    bare_->copy(files, target, context, report);
  }

 private:
  struct Choice {
    CopyStrategy* strategy;
    std::string reason;
    unsigned tries;  // of one without a lock, in a row
  };
  using Choices = std::vector<Choice>;

  // In this order until one succeeds; docs/strategies.md has the table.
  Choices choose(const SourceFacts& facts, ImageForm form = ImageForm::folded) const {
    Choices choices;
    if (facts.at_rest()) {
      choose_at_rest(facts, choices);
    } else if (!facts.uses_wal()) {
      choose_in_rollback_mode(facts, choices);
    } else if (facts.locks.exclusive || !facts.locks.dms) {
      choose_beside_the_wal("its owner keeps everybody out (EXCLUSIVE locking mode)", facts, form,
                            choices);
    } else {
      choose_in_wal_mode(facts, form, choices);
    }
    return choices;
  }

  void choose_at_rest(const SourceFacts& facts, Choices& choices) const {
    choices.push_back({bare_.get(),
                       facts.has_hot_journal()
                           ? "its owner is gone and left a hot journal, which is rolled back on "
                             "the copy"
                           : "nobody holds a lock on it, so nothing but a quiet copy is needed",
                       1});
    if (facts.uses_wal()) return;
    choices.push_back({retry_verify_.get(), "somebody writes after all", kTries});
    add_if_suitable(lock_.get(), "somebody writes too often for a copy without a lock", facts,
                    choices);
  }

  // Without a lock first: nothing makes an owner in rollback mode wait, or see SQLITE_BUSY.
  void choose_in_rollback_mode(const SourceFacts& facts, Choices& choices) const {
    choices.push_back({retry_verify_.get(),
                       facts.locks.exclusive
                           ? "a writer holds it exclusively, for now or for good"
                           : "a live owner in rollback mode, which a lock would hold up",
                       kTries});
    if (facts.locks.exclusive) return;
    const std::string within =
        "the owner writes too often; it waits for our lock at most as long "
        "as --lock-budget allows";
    add_if_suitable(lock_.get(), within, facts, choices);
    add_if_suitable(snapshot_.get(), within, facts, choices);
  }

  void choose_in_wal_mode(const SourceFacts& facts, ImageForm form, Choices& choices) const {
    add_if_suitable(lock_.get(), "a live owner in WAL mode, which readers do not hold up", facts,
                    choices);
    add_if_suitable(snapshot_.get(), "where the locks cannot be taken without SQLite", facts,
                    choices);
    choose_beside_the_wal("the locks cannot be had", facts, form, choices);
  }

  void choose_beside_the_wal(const std::string& why, const SourceFacts& facts, ImageForm form,
                             Choices& choices) const {
    // What was followed is laid over main; there is no -wal to deliver.
    if (form == ImageForm::folded && follow_->probe(facts).suitable) {
      choices.push_back({follow_.get(), why, kTries});
    }
    choices.push_back(
        {retry_verify_.get(), choices.empty() ? why : "the WAL may not be reset meanwhile", 2});
  }

  static void add_if_suitable(CopyStrategy* strategy, std::string reason, const SourceFacts& facts,
                              Choices& choices) {
    if (strategy->probe(facts).suitable) choices.push_back({strategy, std::move(reason), 1});
  }

  // True: the copy is made.
  static bool try_one(const Choice& choice, LiveFiles& files, StagedTarget& target,
                      RunContext& context, Report& report, Failures& failures) {
    report.decisions.push_back(std::string(choice.strategy->name()) + ": " + choice.reason);
    context.log(LogLevel::debug, "auto tries " + report.decisions.back());
    context.options.copy_retry = choice.tries;
    try {
      choice.strategy->copy(files, target, context, report);
      return true;
    } catch (const Error& error) {
      if (!is_worth_another_try(error.code())) throw;
      context.log(LogLevel::info, error.what());
      failures.add(error);
      report.facts.clear();
      target.image().discard();
      return false;
    }
  }

  // Few: what does not hold still for so many copies in a row needs another way.
  static constexpr unsigned kTries = 5;
  static constexpr std::chrono::milliseconds kPause = 10ms;
  static constexpr std::chrono::milliseconds kLongestPause = 50ms;

  std::unique_ptr<CopyStrategy> bare_ = make_bare_strategy("bare", best_movers());
  std::unique_ptr<CopyStrategy> lock_ = make_lock_strategy("lock", best_movers());
  std::unique_ptr<CopyStrategy> snapshot_ = make_snapshot_strategy("snapshot", best_movers());
  std::unique_ptr<CopyStrategy> follow_ = make_follow_strategy("follow", best_movers());
  std::unique_ptr<CopyStrategy> retry_verify_ =
      make_retry_verify_strategy("retry-verify", best_movers());
};

}  // namespace

std::unique_ptr<CopyStrategy> make_automatic_strategy() {
  return std::make_unique<AutomaticStrategy>();
}

}  // namespace sqlbk::copy
