#include "lock.hpp"

#include <optional>
#include <utility>

#include "flush_ahead.hpp"
#include "lock_watch.hpp"
#include "locked_copy.hpp"
#include "ofd_lock.hpp"
#include "quiet_copy.hpp"
#include "source_changed.hpp"
#include "sqlbk/core/error.hpp"
#include "wal_read_lock.hpp"
#include "while_locked.hpp"

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
    return {.takes_locks = true,
            .handles_live_writer = true,
            .can_deliver_wal = true,
            .may_share_blocks = may_share_blocks(movers_),
            .stages = StagedFiles::main_and_wal};
  }

  Suitability probe(const SourceFacts& facts) const override {
    if (facts.locks.exclusive && facts.uses_wal()) {
      return Suitability::no("a process holds an EXCLUSIVE lock on it, which lets no reader in",
                             "lock");
    }
    if (needs_wal_lock(facts) && !facts.shm) {
      return Suitability::no("it has a -wal but no -shm on which its readers' lock could be taken",
                             "lock");
    }
    if (facts.has_hot_journal()) {
      return Suitability::no("it has a hot journal, so that main is not a committed state", "lock");
    }
    return {};
  }

  std::vector<Assumption> preview(LiveFiles& files, const SourceFacts& facts,
                                  const CopyOptions& options, RunContext& context) const override {
    require_suitable(probe(facts), files.given_path());
    require_readable_at_rest(files, facts, options, context);
    return {};
  }

  AttemptPolicy policy(const CopyOptions&) const override { return kWhileLocked; }

  Evidence attempt(LiveFiles& files, StagedImage& image, const CopyOptions& options,
                   RunContext& context) override {
    files.begin_attempt();
    flush_ahead(files, movers_, context);
    LockWatch watch(files, options.lock_budget, context);
    std::optional<SharedLock> shared;
    watch.take([&] { shared.emplace(files); });
    return watch.run([&] { return copy(files, image, options, watch, context); });
  }

 private:
  // REQUIRES: SHARED on main.
  Evidence copy(LiveFiles& files, StagedImage& image, const CopyOptions& options, LockWatch& watch,
                RunContext& context) const {
    if (!files.is_current(SourceFile::main)) throw_changed(files, "it was replaced");
    const SourceFacts facts = probe_source(files);
    require_copyable(facts, {.opaque = options.opaque});
    require_suitable(probe(facts), files.given_path());
    std::optional<WalReadLock> read_lock;
    if (needs_wal_lock(facts)) {
      watch.take_on_shm([&] { read_lock.emplace(files, context); });
      // One that the path no longer names protects nothing.
      if (!files.is_current(SourceFile::main)) throw_changed(files, "it was replaced");
    }
    LockedCopy locked(files, image, movers_, options, context);
    Evidence evidence = read_lock
                            ? locked.copy_wal_mode(read_lock->is_attached(), read_lock->file())
                            : locked.copy_rollback_mode(facts);
    if (!files.is_current(SourceFile::main)) throw_changed(files, "it was replaced");
    watch.finish();
    return evidence;
  }

  // Somebody could checkpoint into main in spite of SHARED. An empty -wal beside header 1/1 is none
  // to those who come, but those who have it open already write to it.
  static bool needs_wal_lock(const SourceFacts& facts) {
    return facts.wal && (facts.uses_wal() || facts.locks.dms);
  }

  std::string name_;
  MoverLadder movers_;
};

}  // namespace

std::unique_ptr<CopyStrategy> make_lock_strategy(std::string name, MoverLadder movers) {
  return std::make_unique<LockStrategy>(std::move(name), std::move(movers));
}

}  // namespace sqlbk::copy
