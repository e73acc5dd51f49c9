#include "snapshot.hpp"

#include <array>
#include <optional>
#include <thread>
#include <utility>

#include "lock_budget.hpp"
#include "shared_guard.hpp"
#include "source_connection.hpp"
#include "source_mover.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/fold.hpp"
#include "wal_part.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;

// How long a busy owner is waited for before the read transaction begins.
constexpr std::chrono::milliseconds kPatience = 5s;
constexpr int kAttempts = 5;

Error source_changed(const LiveFiles& files, const std::string& what) {
  return Error(Errc::source_changed,
               "the source " + quoted(files.given_path()) + " changed while it was copied: " + what)
      .with_path(files.given_path());
}

using WalHeaderBytes = std::array<std::byte, format::kWalHeaderSizeBytes>;

// The header of the `-wal` that the path names now; nullopt: none, or shorter than a header.
std::optional<WalHeaderBytes> wal_header_by_path(LiveFiles& files) {
  files.refresh(SourceFile::wal);
  WalHeaderBytes bytes{};
  if (files.read(SourceFile::wal, bytes, 0) < bytes.size()) return std::nullopt;
  if (!files.is_current(SourceFile::wal)) return std::nullopt;
  return bytes;
}

// What is on disk and in the wal-index at the start of the copy, in step with each other.
struct WalStart {
  std::optional<WalHeaderBytes> header;
  format::WalIndexHeader index;
  // The index's generation is the one whose header is on disk. Otherwise the wal-index was
  // restarted (mxFrame 0) and nothing of the file counts: main is complete.
  bool in_step = false;
};

WalStart read_wal_start(LiveFiles& files, RunContext& context) {
  constexpr int kTries = 1000;
  for (int i = 0; i < kTries; ++i) {
    WalStart start;
    start.header = wal_header_by_path(files);
    files.refresh(SourceFile::shm);
    const LiveIndex index = read_live_wal_index(files);
    if (!index) {
      throw source_changed(files, "its wal-index cannot be read")
          .with_hint("try again, or use --strategy auto");
    }
    start.index = *index;
    const format::ParsedWalHeader header =
        format::parse_wal_header(start.header ? format::Bytes(*start.header) : format::Bytes());
    start.in_step = header && header->salt == index->salt;
    if (start.in_step || index->mx_frame == 0) return start;
    context.tick();
    std::this_thread::sleep_for(100us);
  }
  throw source_changed(files, "the WAL and its index do not come into step");
}

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
    std::optional<SharedGuard> guard;
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
      throw source_changed(files, "its journal mode");
    }
    if (!files.is_current(SourceFile::main)) throw source_changed(files, "it was replaced");
    SourceMover mover(files, target, movers_, context, report);
    if (is_wal) {
      copy_wal_mode(files, target, mover, context, report);
    } else {
      copy_rollback_mode(files, mover);
    }
    if (!files.is_current(SourceFile::main)) throw source_changed(files, "it was replaced");
    connection.close();
    report.strategy = mover.mover_used().empty() ? name_ : "snapshot+" + mover.mover_used();
    report.verdict = Verdict::snapshot;
  }

  // docs/consistency.md, "snapshot, WAL mode", has the argument.
  void copy_wal_mode(LiveFiles& files, StagedTarget& target, SourceMover& mover,
                     RunContext& context, Report& report) {
    StagedImage& image = target.image();
    const WalStart start = read_wal_start(files, context);
    const FileStat main_before = files.stat(SourceFile::main);
    static_cast<void>(mover.move_main());  // may be shortened under us; the WAL says its size
    if (start.in_step) static_cast<void>(mover.move_wal());
    const std::optional<WalHeaderBytes> end = wal_header_by_path(files);
    if (start.in_step && end == start.header) {
      take_wal(image, start, context, report, files);
      return;
    }
    // The WAL was reset inside our transaction, or just before: that needs all of the generation in
    // main and our reader on read-lock 0, which keeps everybody from writing to main.
    if (start.index.backfilled_frames < start.index.mx_frame) {
      throw source_changed(files, "its WAL was reset in spite of our read mark");
    }
    if (!main_before.unchanged(files.stat(SourceFile::main))) {
      throw source_changed(files, "its main file was written in spite of our read lock");
    }
    if (image.has_wal()) image.discard_wal();
    report.facts.emplace_back("wal_reset_during_copy", "true");
  }

  static void take_wal(StagedImage& image, const WalStart& start, RunContext& context,
                       Report& report, const LiveFiles& files) {
    const WalScan scan = scan_wal(image.wal_fd(), image.wal_path(), context);
    report_wal(scan, start.index, report);
    if (!scan.header || scan.header->salt != start.index.salt) {
      throw source_changed(files, "its WAL is not the one that was read at the start");
    }
    if (scan.committed.frames >= start.index.mx_frame) {
      image.wal_prefix = scan.committed;
      return;
    }
    // Bug Z: the index vouches for what the checksums do not.
    image.wal_prefix = prefix_vouched_by_index(image.wal_fd(), image.wal_path(), *scan.header,
                                               start.index.mx_frame, start.index.size_pages);
    report.warnings.emplace_back(
        "the owner's SQLite committed frames without checksums (a bug fixed in SQLite 3.50); they "
        "were taken by the wal-index. A crash of the owner now would lose them in the source");
  }

  // SHARED keeps every rollback-mode writer out of main; only a WAL could be written around it.
  void copy_rollback_mode(LiveFiles& files, SourceMover& mover) {
    const FileStat before = files.stat(SourceFile::main);
    if (read_journal_state(files) == format::JournalState::active && !lock_state(files).reserved) {
      throw source_changed(files, "it has a hot journal");
    }
    static_cast<void>(mover.move_main());
    if (files.stat_by_path(SourceFile::wal)) throw source_changed(files, "a -wal file appeared");
    // Sees owners whose locks the kernel does not know.
    if (!before.unchanged(files.stat(SourceFile::main))) {
      throw source_changed(files, "its main file was written in spite of our read lock");
    }
  }

  std::string name_;
  MoverLadder movers_;
};

}  // namespace

std::unique_ptr<CopyStrategy> make_snapshot_strategy(std::string name, MoverLadder movers) {
  return std::make_unique<SnapshotStrategy>(std::move(name), std::move(movers));
}

}  // namespace sqlbk::copy
