#include "lock.hpp"

#include <optional>
#include <utility>

#include "attempts.hpp"
#include "lock_budget.hpp"
#include "locked_copy.hpp"
#include "ofd_lock.hpp"
#include "source_changed.hpp"
#include "sqlbk/core/error.hpp"
#include "wal_read_lock.hpp"

namespace sqlbk::copy {
namespace {

class LockStrategy final : public CopyStrategy {
 public:
  LockStrategy(std::string name, MoverLadder movers)
      : name_(std::move(name)), movers_(std::move(movers)) {}

  std::string_view name() const noexcept override { return name_; }
  std::string_view summary() const noexcept override {
    return "SQLite's read locks, taken without SQLite, hold the state while the bytes are moved";
  }
  StrategyTraits traits() const noexcept override {
    return {.takes_locks = true, .handles_live_writer = true, .can_deliver_wal = true};
  }

  Suitability probe(const SourceFacts& facts) const override {
    if (facts.locks.exclusive && facts.uses_wal()) {
      return Suitability::no("its owner holds it in EXCLUSIVE locking mode");
    }
    if (needs_wal_lock(facts) && !facts.shm) {
      return Suitability::no("it has a -wal but no -shm on which its readers' lock could be taken");
    }
    if (facts.has_hot_journal()) {
      return Suitability::no("it has a hot journal, so that main is not a committed state");
    }
    return {};
  }

  void copy(LiveFiles& files, StagedTarget& target, RunContext& context, Report& report) override {
    try_while_busy(target.image(), context, [&] { copy_once(files, target, context, report); });
  }

 private:
  // Somebody could checkpoint into main in spite of SHARED. An empty -wal beside header 1/1 is none
  // to those who come, but those who have it open already write to it.
  static bool needs_wal_lock(const SourceFacts& facts) {
    return facts.wal && (facts.uses_wal() || facts.locks.dms);
  }

  // Every WAL connection holds SHARED on main and, but for one that lets nobody in, the DMS lock.
  static void require_owner_uses_shm(const LiveFiles& files) {
    const LockState locks = lock_state(files);
    if (!locks.shared || locks.dms) return;
    throw Error(Errc::source_busy, "unable to lock " + quoted(files.given_path()) +
                                       ": it is open, but not with the -shm file beside it")
        .with_path(files.given_path());
  }

  void copy_once(LiveFiles& files, StagedTarget& target, RunContext& context, Report& report) {
    report.attempts += 1;
    files.begin_attempt();
    const SharedLock shared(files);
    if (!files.is_current(SourceFile::main)) throw_changed(files, "it was replaced");
    const SourceFacts facts = probe_source(files);
    require_copyable(facts, {.opaque = context.options.opaque});
    const Suitability answer = probe(facts);
    if (!answer.suitable) {
      throw Error(Errc::unsuitable,
                  "unable to lock " + quoted(files.given_path()) + ": " + answer.reason)
          .with_path(files.given_path());
    }
    std::optional<WalReadLock> read_lock;
    if (needs_wal_lock(facts)) {
      read_lock.emplace(files, context);
      // One that the path no longer names, or that the owner does not use, protects nothing.
      if (!files.is_current(SourceFile::main)) throw_changed(files, "it was replaced");
      require_owner_uses_shm(files);
    }
    LockBudget budget(files, context.options.lock_budget,
                      read_lock ? Holdup::checkpoints : Holdup::commits);
    const auto watch = context.watch([&budget] { budget.look(); });
    LockedCopy locked(files, target, movers_, context, report);
    if (read_lock) {
      locked.copy_wal_mode(read_lock->is_attached(), read_lock->file());
      require_owner_uses_shm(files);
    } else {
      locked.copy_rollback_mode(facts);
    }
    if (!files.is_current(SourceFile::main)) throw_changed(files, "it was replaced");
    report.strategy = locked.mover_used().empty() ? name_ : "lock+" + locked.mover_used();
    report.verdict = Verdict::snapshot;
  }

  std::string name_;
  MoverLadder movers_;
};

}  // namespace

std::unique_ptr<CopyStrategy> make_lock_strategy(std::string name, MoverLadder movers) {
  return std::make_unique<LockStrategy>(std::move(name), std::move(movers));
}

}  // namespace sqlbk::copy
