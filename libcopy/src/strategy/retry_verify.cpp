#include "retry_verify.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "convergence.hpp"
#include "journal_watch.hpp"
#include "opaque_source.hpp"
#include "quiet_copy.hpp"
#include "source_changed.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/steady_wal_index.hpp"
#include "unproven.hpp"
#include "wal_header_file.hpp"
#include "wal_part.hpp"
#include "wal_reset_check.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Rounds that are over in no time are worth trying even where they do not come nearer: one of them
// may fall between two commits.
constexpr std::chrono::milliseconds kPatience = 1s;

std::string in_words(Clock::duration duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return ms < 1000 ? std::to_string(ms + 1) + " ms" : std::to_string(ms / 1000 + 1) + " s";
}

class RetryVerifyStrategy final : public CopyStrategy {
 public:
  RetryVerifyStrategy(std::string name, MoverLadder movers)
      : name_(std::move(name)), movers_(std::move(movers)) {}

  std::string_view name() const noexcept override { return name_; }
  std::string_view summary() const noexcept override {
    return "no lock: copies and proves that it was one state all the while, else copies again";
  }
  StrategyTraits traits() const noexcept override {
    return {.can_deliver_wal = true,
            .may_share_blocks = may_share_blocks(movers_),
            .stages = StagedFiles::main_and_wal};
  }

  Suitability probe(const SourceFacts& facts) const override { return may_roll_back(facts); }
  std::vector<Assumption> preview(LiveFiles& files, const SourceFacts& facts,
                                  const CopyOptions& options, RunContext& context) const override {
    require_suitable(probe(facts), files.given_path());
    require_readable_at_rest(files, facts, options, context);
    return {};
  }

  AttemptPolicy policy(const CopyOptions& options) const override {
    return {.attempts = options.copy_retry};
  }
  CopyStrategy* unproven() override { return unproven_.get(); }
  void end_series() noexcept override { series_.reset(); }

  Evidence attempt(LiveFiles& files, StagedImage& image, const CopyOptions& options,
                   RunContext& context) override {
    if (!series_) series_.emplace(files, image, movers_);
    Series& series = *series_;
    series.round_start = Clock::now();
    series.journal.look();
    const auto watch = context.watch([&series] { series.journal.look(); });
    files.begin_attempt();
    files.refresh_sidecars();
    const std::optional<WalHeaderBytes> start = wal_header_by_path(files);
    const format::ParsedWalHeader header = parse(start);
    // Equal headers prove nothing where there are none: created, checkpointed, deleted between.
    return !header || header->salt.is_zero()
               ? copy_quietly(files, image, series.mover, options, context, &series.journal)
               : copy_beside_wal(files, image, series.mover, *start, options, context);
  }

  // What was copied stays: the next round writes only what differs.
  NextAttempt after_failure(const Error& error, StagedImage& image) override {
    Series& series = *series_;
    series.journal.look();
    if (series.mover.changed_bytes()) series.convergence.add(*series.mover.changed_bytes());
    const bool hopeless =
        series.convergence.is_hopeless() && Clock::now() - series.start >= kPatience;
    image.discard_all_but_main();
    series.mover.compare_from_now_on();
    NextAttempt next{.may_succeed = !hopeless};
    if (error.code() == Errc::source_changed) {
      next.hint = what_would_help(hopeless, Clock::now() - series.round_start);
    }
    return next;
  }

 private:
  // What the rounds of one copy have learnt.
  struct Series {
    Series(LiveFiles& files, StagedImage& image, const MoverLadder& movers)
        : mover(files, image, movers), journal(files) {}
    SourceMover mover;
    JournalWatch journal;
    Convergence convergence;
    Clock::time_point start = Clock::now();
    Clock::time_point round_start = start;
  };

  static std::string what_would_help(bool hopeless, Clock::duration round) {
    return "pause the writer for " + in_words(round) + " or more, the time that a round takes" +
           (hopeless ? "; no round came nearer than the one before"
                     : ", or raise --copy-retry or --timeout");
  }

  // What the wal-index says of this generation; nullopt: nothing.
  static LiveIndex index_of(LiveFiles& files, const WalHeaderBytes& generation) {
    files.refresh(SourceFile::shm);
    const LiveIndex index = read_steady_wal_index(files).index;
    return index && index->salt == format::parse_wal_header(generation)->salt ? index
                                                                              : std::nullopt;
  }

  // docs/consistency.md, "retry-verify, WAL".
  static Evidence copy_beside_wal(LiveFiles& files, StagedImage& image, SourceMover& mover,
                                  const WalHeaderBytes& start, const CopyOptions& options,
                                  RunContext& context) {
    const FileStat wal = files.stat(SourceFile::wal);
    const SourceFacts facts = probe_source(files);
    require_copyable(facts, {.opaque = options.opaque});
    if (facts.journal_state == format::JournalState::active) {
      throw_changed(files, "it has an active journal beside its WAL");
    }
    const LiveIndex before = index_of(files, start);
    refuse_struck_index(files, before);
    static_cast<void>(mover.move_main(context));  // may be shortened; the WAL says its size
    // Between main and WAL: what the index promises now is in main or in the WAL that follows.
    files.refresh(SourceFile::shm);
    const LiveIndex index = read_steady_wal_index(files).index;
    refuse_struck_index(files, index);
    static_cast<void>(mover.move_wal(context));
    if (may_have_been_backfilled(files, before, index)) {
      refuse_struck_source(files, WalReadLocks::none, options, context);
    }
    if (wal_header_by_path(files) != start) throw_changed(files, "its WAL was reset");
    if (!wal.same_file(files.stat(SourceFile::wal))) throw_changed(files, "its WAL was replaced");
    if (!files.is_current(SourceFile::main)) throw_changed(files, "it was replaced");
    files.refresh(SourceFile::journal);
    if (read_journal_state(files) == format::JournalState::active) {
      throw_changed(files, "a journal appeared beside its WAL");
    }
    const WalScan scan = scan_wal(image.wal_fd(), image.wal_path(), context);
    if (!scan.header || scan.header->salt != format::parse_wal_header(start)->salt) {
      throw_changed(files, "its WAL was reset");
    }
    if (options.opaque) {
      require_readable_wal(image.wal_fd(), image.wal_path(), files.given_path());
    }
    const WalPosition position = judge_wal(image, scan, index, files.given_path());
    refuse_struck_image(files, image, before, options, context);
    return {.verdict = Verdict::proven, .mover = mover.mover_used(), .wal = position};
  }

  std::string name_;
  MoverLadder movers_;
  std::optional<Series> series_;
  std::unique_ptr<CopyStrategy> unproven_ = make_unproven_strategy(movers_);
};

}  // namespace

std::unique_ptr<CopyStrategy> make_retry_verify_strategy(std::string name, MoverLadder movers) {
  return std::make_unique<RetryVerifyStrategy>(std::move(name), std::move(movers));
}

}  // namespace sqlbk::copy
