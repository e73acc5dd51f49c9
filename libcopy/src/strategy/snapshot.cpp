#include "snapshot.hpp"

#include <utility>

#include "flush_ahead.hpp"
#include "locked_copy.hpp"
#include "source_changed.hpp"
#include "source_connection.hpp"
#include "while_locked.hpp"

namespace sqlbk::copy {
namespace {

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
            .reads_content = true,
            .can_deliver_wal = true,
            .may_share_blocks = may_share_blocks(movers_),
            .stages = StagedFiles::main_and_wal};
  }

  Suitability probe(const SourceFacts& facts) const override { return may_connect(facts); }

  AttemptPolicy policy(const CopyOptions&) const override { return kWhileLocked; }

  Evidence attempt(LiveFiles& files, StagedImage& image, const CopyOptions& options,
                   RunContext& context) override {
    files.begin_attempt();
    flush_ahead(files, movers_, context);
    SourceConnection connection(files, options.lock_budget, {}, context);
    return connection.run([&] { return copy(connection, files, image, options, context); });
  }

 private:
  Evidence copy(SourceConnection& connection, LiveFiles& files, StagedImage& image,
                const CopyOptions& options, RunContext& context) const {
    files.refresh_sidecars();
    const bool is_wal = connection.journal_mode() == "wal";
    if (is_wal != connection.facts().uses_wal() || (is_wal && !files.has(SourceFile::wal))) {
      throw_changed(files, "its journal mode");
    }
    if (!files.is_current(SourceFile::main)) throw_changed(files, "it was replaced");
    // The same before and after SQLite has opened it: that one it has locked.
    if (is_wal) connection.require_same_shm(files);
    LockedCopy locked(files, image, movers_, options, context);
    Evidence evidence = is_wal ? locked.copy_wal_mode(true, *connection.facts().shm)
                               : locked.copy_rollback_mode(connection.facts());
    if (!files.is_current(SourceFile::main)) throw_changed(files, "it was replaced");
    connection.finish();
    connection.close();
    return evidence;
  }

  std::string name_;
  MoverLadder movers_;
};

}  // namespace

std::unique_ptr<CopyStrategy> make_snapshot_strategy(std::string name, MoverLadder movers) {
  return std::make_unique<SnapshotStrategy>(std::move(name), std::move(movers));
}

}  // namespace sqlbk::copy
