#include "automatic.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../mover/movers.hpp"
#include "bare.hpp"
#include "follow.hpp"
#include "lock.hpp"
#include "online.hpp"
#include "retry_verify.hpp"
#include "snapshot.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::copy {
namespace {

class AutomaticStrategy final : public StrategyChooser {
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
            .can_deliver_wal = true,
            .by_sqlite_alone = true};
  }

  Suitability probe(const SourceFacts& facts) const override {
    return choices(facts, ImageForm::folded).front().strategy->probe(facts);
  }

  std::vector<std::string> explain(const SourceFacts& facts) const override {
    std::vector<std::string> lines;
    for (const Choice& choice : choices(facts, ImageForm::folded)) {
      lines.push_back(std::string(lines.empty() ? "first " : "else ") +
                      std::string(choice.strategy->name()) + ": " + choice.reason);
    }
    return lines;
  }

  // Refused only where every choice is: the run tries them all.
  std::vector<Assumption> preview(LiveFiles& files, const SourceFacts& facts,
                                  const CopyOptions& options, RunContext& context) const override {
    std::optional<Error> last;
    for (const Choice& choice : choices(facts, options.form)) {
      try {
        return choice.strategy->preview(files, facts, options, context);
      } catch (const Error& error) {
        if (errc_info(error.code()).retry == Retry::no) throw;
        last = error;
      }
    }
    throw Error(*last);
  }

  std::vector<Choice> choose(const SourceFacts& facts, const CopyOptions& options) override {
    return choices(facts, options.form);
  }
  unsigned rounds(const CopyOptions& options) const override { return options.copy_retry; }
  CopyStrategy* unproven() override { return bare_->unproven(); }

 private:
  using Choices = std::vector<Choice>;

  // In this order until one succeeds; docs/strategies.md has the table.
  Choices choices(const SourceFacts& facts, ImageForm form) const {
    Choices choices;
    if (!is_this_kernels(facts.file_system.kind)) {
      choices.push_back({online_.get(),
                         "it lies on " + facts.file_system.name +
                             ", where only SQLite's own locks are to be relied on",
                         online_->policy({})});
    } else if (facts.at_rest()) {
      choose_at_rest(facts, choices);
    } else if (!facts.uses_wal()) {
      choose_in_rollback_mode(facts, choices);
    } else if (facts.locks.exclusive || !facts.locks.dms) {
      choose_beside_the_wal(facts.locks.exclusive
                                ? "a process holds an EXCLUSIVE lock, which lets no reader in"
                                : "a process holds a lock, but none uses its wal-index",
                            facts, form, choices);
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
                           : "no lock is held on it, so nothing but a quiet copy is needed",
                       AttemptPolicy{}});
    if (facts.uses_wal()) return;
    choices.push_back({retry_verify_.get(), "it is written to after all", kFewTries});
    add_if_suitable(lock_.get(), "it is written to too often for a copy without a lock", facts,
                    choices);
  }

  // Without a lock first: nothing makes an owner in rollback mode wait, or see SQLITE_BUSY.
  void choose_in_rollback_mode(const SourceFacts& facts, Choices& choices) const {
    choices.push_back({retry_verify_.get(),
                       facts.locks.exclusive
                           ? "a writer holds it exclusively, for now or for good"
                           : "a live owner in rollback mode, which a lock would hold up",
                       kFewTries});
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
      choices.push_back({follow_.get(), why, kFewTries});
    }
    choices.push_back({retry_verify_.get(),
                       choices.empty() ? why : "the WAL may not be reset meanwhile",
                       AttemptPolicy{.attempts = 2}});
  }

  static void add_if_suitable(CopyStrategy* strategy, std::string reason, const SourceFacts& facts,
                              Choices& choices) {
    if (!strategy->probe(facts).suitable) return;
    choices.push_back({strategy, std::move(reason), strategy->policy({})});
  }

  // Few: what does not hold still for so many copies in a row needs another way.
  static constexpr AttemptPolicy kFewTries{.attempts = 5};

  std::unique_ptr<CopyStrategy> bare_ = make_bare_strategy("bare", best_movers());
  std::unique_ptr<CopyStrategy> online_ = make_online_strategy();
  std::unique_ptr<CopyStrategy> lock_ = make_lock_strategy("lock", best_movers());
  std::unique_ptr<CopyStrategy> snapshot_ = make_snapshot_strategy("snapshot", best_movers());
  std::unique_ptr<CopyStrategy> follow_ = make_follow_strategy("follow", best_movers());
  std::unique_ptr<CopyStrategy> retry_verify_ =
      make_retry_verify_strategy("retry-verify", best_movers());
};

}  // namespace

std::unique_ptr<StrategyChooser> make_automatic_strategy() {
  return std::make_unique<AutomaticStrategy>();
}

}  // namespace sqlbk::copy
