#include "automatic.hpp"

#include <map>
#include <utility>

#include "../mover/movers.hpp"
#include "bare.hpp"
#include "snapshot.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;

// Another strategy, or a later try, may still succeed after these.
bool is_worth_another_try(Errc code) {
  return code == Errc::source_changed || code == Errc::source_busy || code == Errc::unsuitable ||
         code == Errc::lock_budget_exceeded || code == Errc::frames_without_checksum;
}

// Why the tries of a run failed, each kind once: "source_changed (3 times)".
class Failures {
 public:
  void add(const Error& error) {
    ++counts_[error.code()];
    last_ = error;
  }
  unsigned count(Errc code) const {
    const auto found = counts_.find(code);
    return found == counts_.end() ? 0 : found->second;
  }
  [[noreturn]] void raise(const std::string& source, unsigned rounds) const {
    std::string text;
    for (const auto& [code, count] : counts_) {
      if (!text.empty()) text += ", ";
      text += std::string(errc_info(code).name) + " (" + std::to_string(count) +
              (count == 1 ? " time)" : " times)");
    }
    Error error(last_->code(), "gave up on " + quoted(source) + " after " + std::to_string(rounds) +
                                   (rounds == 1 ? " round: " : " rounds: ") + text +
                                   "; the last: " + last_->what());
    error.with_path(source);
    error.with_hint(std::string(last_->hint()));
    throw error;
  }

 private:
  std::map<Errc, unsigned> counts_;
  std::optional<Error> last_;
};

class AutomaticStrategy final : public CopyStrategy {
 public:
  std::string_view name() const noexcept override { return "auto"; }
  std::string_view summary() const noexcept override {
    return "looks at the source and chooses: a bare mover at rest, snapshot under a live owner";
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
    const unsigned rounds = std::max(1U, context.options.copy_retry);
    const bool strict = std::exchange(context.options.strict, true);
    Failures failures;
    for (unsigned round = 1; round <= rounds; ++round) {
      files.refresh(SourceFile::main);
      const SourceFacts facts = probe_source(files);
      require_copyable(facts, false);
      for (const Choice& choice : choose(facts)) {
        if (try_one(choice, files, target, context, report, failures)) return;
      }
      context.deadline.first_pass_done();
      // Nobody is there who could turn such frames into something else.
      if (facts.at_rest() && failures.count(Errc::frames_without_checksum) >= 3) break;
      try {
        context.sleep_for(10ms);
      } catch (const Error& error) {
        if (error.code() != Errc::deadline_exceeded) throw;
        failures.add(error);
        break;
      }
    }
    if (strict) failures.raise(files.given_path(), report.attempts);
    context.options.strict = false;
    context.deadline = Deadline::never();
    target.image().discard();
    bare_->copy(files, target, context, report);
  }

 private:
  struct Choice {
    CopyStrategy* strategy;
    std::string reason;
  };

  std::vector<Choice> choose(const SourceFacts& facts) const {
    const Choice quiet{bare_.get(), ""};
    const Choice locked{snapshot_.get(), ""};
    const auto because = [](Choice choice, std::string reason) {
      choice.reason = std::move(reason);
      return choice;
    };
    if (facts.at_rest()) {
      std::vector<Choice> choices{
          because(quiet, facts.has_hot_journal()
                             ? "its owner is gone and left a hot journal, which is rolled back on "
                               "the copy"
                             : "nobody holds a lock on it, so nothing but a quiet copy is needed")};
      if (snapshot_->probe(facts).suitable) {
        choices.push_back(because(locked, "somebody writes after all"));
      }
      return choices;
    }
    const Suitability answer = snapshot_->probe(facts);
    if (!answer.suitable || facts.locks.exclusive) {
      std::vector<Choice> choices{because(
          quiet, answer.suitable ? "a writer holds it exclusively at this moment" : answer.reason)};
      if (answer.suitable) choices.push_back(because(locked, "the writer may let go"));
      return choices;
    }
    return {because(locked, facts.uses_wal()
                                ? "a live owner in WAL mode, which readers do not hold up"
                                : "a live owner in rollback mode, which waits for readers at most "
                                  "as long as --lock-budget allows"),
            because(quiet, "the owner may be quiet for the time of a copy")};
  }

  // True: the copy is made.
  static bool try_one(const Choice& choice, LiveFiles& files, StagedTarget& target,
                      RunContext& context, Report& report, Failures& failures) {
    report.decisions.push_back(std::string(choice.strategy->name()) + ": " + choice.reason);
    context.log(LogLevel::debug, "auto tries " + report.decisions.back());
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

  std::unique_ptr<CopyStrategy> bare_ = make_bare_strategy("bare", best_movers());
  std::unique_ptr<CopyStrategy> snapshot_ = make_snapshot_strategy("snapshot", best_movers());
};

}  // namespace

std::unique_ptr<CopyStrategy> make_automatic_strategy() {
  return std::make_unique<AutomaticStrategy>();
}

}  // namespace sqlbk::copy
