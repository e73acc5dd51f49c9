#include "snapshot.hpp"

#include <optional>
#include <utility>

#include "lock_budget.hpp"
#include "locked_copy.hpp"
#include "ofd_lock.hpp"
#include "source_changed.hpp"
#include "source_connection.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;

// How long a busy owner is waited for before the read transaction begins.
constexpr std::chrono::milliseconds kPatience = 5s;
constexpr int kAttempts = 5;

class SnapshotStrategy final : public CopyStrategy {
 public:
  SnapshotStrategy(std::string name, MoverLadder movers)
      : name_(std::move(name)), movers_(std::move(movers)) {}

  std::string_view name() const noexcept override { return name_; }
  std::string_view summary() const noexcept override {
    return "a SQLite read transaction holds the state while the bytes of main, then WAL, are moved";
  }
  StrategyTraits traits() const noexcept override {
    return {.takes_locks = true,
            .opens_with_sqlite = true,
            .handles_live_writer = true,
            .can_deliver_wal = true};
  }

  Suitability probe(const SourceFacts& facts) const override { return may_connect(facts); }

  void copy(LiveFiles& files, StagedTarget& target, RunContext& context, Report& report) override {
    for (int attempt = 1;; ++attempt) {
      report.attempts += 1;
      try {
        copy_once(files, target, context, report);
        return;
      } catch (const Error& error) {
        if (error.code() != Errc::source_changed || attempt >= kAttempts) throw;
        context.log(LogLevel::info, error.what());
        target.image().discard();
        context.tick();
      }
    }
  }

 private:
  void copy_once(LiveFiles& files, StagedTarget& target, RunContext& context, Report& report) {
    files.refresh(SourceFile::main);
    SourceFacts facts = probe_source(files);
    require_copyable(facts, false);
    std::optional<SharedLock> guard;
    if (facts.uses_wal()) {
      // Before the connection, so that no owner can go away and leave us as the first connection,
      // which would make new sidecars.
      guard.emplace(files);
      facts = probe_source(files);
    }
    const Suitability answer = probe(facts);
    if (!answer.suitable) {
      throw Error(Errc::unsuitable, "unable to take a snapshot of " + quoted(files.given_path()) +
                                        ": " + answer.reason)
          .with_path(files.given_path());
    }
    SourceConnection connection(files.main_path(), sqlite::OpenMode::read_only, context);
    connection.begin_read(kPatience);
    LockBudget budget(files, context.options.lock_budget);
    const auto watch = context.watch([&budget] { budget.look(); });
    files.refresh_sidecars();
    const bool is_wal = connection.journal_mode() == "wal";
    if (is_wal != files.has(SourceFile::wal) || is_wal != guard.has_value()) {
      throw_changed(files, "its journal mode");
    }
    if (!files.is_current(SourceFile::main)) throw_changed(files, "it was replaced");
    LockedCopy locked(files, target, movers_, context, report);
    if (is_wal) {
      locked.copy_wal_mode(true);
    } else {
      locked.copy_rollback_mode();
    }
    if (!files.is_current(SourceFile::main)) throw_changed(files, "it was replaced");
    connection.close();
    report.strategy = locked.mover_used().empty() ? name_ : "snapshot+" + locked.mover_used();
    report.verdict = Verdict::snapshot;
  }

  std::string name_;
  MoverLadder movers_;
};

}  // namespace

std::unique_ptr<CopyStrategy> make_snapshot_strategy(std::string name, MoverLadder movers) {
  return std::make_unique<SnapshotStrategy>(std::move(name), std::move(movers));
}

}  // namespace sqlbk::copy
