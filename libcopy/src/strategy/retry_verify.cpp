#include "retry_verify.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "convergence.hpp"
#include "journal_watch.hpp"
#include "opaque_source.hpp"
#include "or_unproven.hpp"
#include "quiet_copy.hpp"
#include "source_changed.hpp"
#include "sqlbk/core/error.hpp"
#include "unseen_wal.hpp"
#include "wal_header_file.hpp"
#include "wal_part.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Rounds that are over in no time are worth trying even where they do not come nearer: one of them
// may fall between two commits.
constexpr std::chrono::milliseconds kPatience = 1s;
// Frames without checksums of an owner who is gone stay as they are.
constexpr unsigned kLooksAtDeadFrames = 3;

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
  StrategyTraits traits() const noexcept override { return {.can_deliver_wal = true}; }

  Suitability probe(const SourceFacts& facts) const override { return may_roll_back(facts); }

  void copy(LiveFiles& files, StagedTarget& target, RunContext& context, Report& report) override {
    const unsigned attempts = std::max(1U, context.options.copy_retry);
    SourceMover mover(files, target, movers_, context, report);
    JournalWatch journal(files);
    const auto watch = context.watch([&journal] { journal.look(); });
    Convergence convergence;
    unsigned dead_frames = 0;
    const auto start = Clock::now();
    for (unsigned attempt = 1;; ++attempt) {
      report.attempts += 1;
      const auto round_start = Clock::now();
      try {
        journal.look();
        copy_once(files, target, mover, journal, context, report);
        report.strategy = mover.mover_used().empty() ? name_ : "retry-verify+" + mover.mover_used();
        report.facts.emplace_back("rounds", std::to_string(attempt));
        return;
      } catch (Error& error) {
        const bool again = error.code() == Errc::source_changed ||
                           error.code() == Errc::source_busy ||
                           error.code() == Errc::frames_without_checksum;
        if (!again) throw;
        journal.look();
        context.deadline.first_pass_done();
        if (mover.changed_bytes()) convergence.add(*mover.changed_bytes());
        const bool lost = error.code() == Errc::frames_without_checksum;
        dead_frames = lost && !lock_state(files).any() ? dead_frames + 1 : 0;
        if (dead_frames >= kLooksAtDeadFrames) throw;
        const bool hopeless = convergence.is_hopeless() && Clock::now() - start >= kPatience;
        if (hopeless || attempt >= attempts || context.deadline.has_passed()) {
          if (error.code() == Errc::source_changed) {
            error.with_hint(what_would_help(hopeless, Clock::now() - round_start));
          }
          throw;
        }
        context.log(LogLevel::debug, error.what());
        report.facts.clear();
        // What was copied stays: the next round writes only what differs.
        target.image().discard_all_but_main();
        mover.compare_from_now_on();
        context.progress().begin(Phase::copy, files.stat(SourceFile::main).size_bytes);
        context.sleep_for(1ms);
      }
    }
  }

 private:
  static std::string what_would_help(bool hopeless, Clock::duration round) {
    return "pause the writer for " + in_words(round) + " or more, the time that a round takes" +
           (hopeless ? "; no round came nearer than the one before"
                     : ", or raise --copy-retry or --timeout");
  }

  void copy_once(LiveFiles& files, StagedTarget& target, SourceMover& mover,
                 const JournalWatch& journal, RunContext& context, Report& report) {
    files.begin_attempt();
    files.refresh_sidecars();
    const std::optional<WalHeaderBytes> start = wal_header_by_path(files);
    const format::ParsedWalHeader header = parse(start);
    if (!header || header->salt.is_zero()) {
      // Equal headers prove nothing where there are none: created, checkpointed, deleted between.
      copy_quietly(files, target, mover, context, report, &journal);
      return;
    }
    copy_beside_wal(files, target, mover, *start, context, report);
  }

  // docs/consistency.md, "retry-verify, WAL".
  static void copy_beside_wal(LiveFiles& files, StagedTarget& target, SourceMover& mover,
                              const WalHeaderBytes& start, RunContext& context, Report& report) {
    const FileStat wal = files.stat(SourceFile::wal);
    const SourceFacts facts = probe_source(files);
    require_copyable(facts, {.opaque = context.options.opaque});
    if (facts.journal_state == format::JournalState::active) {
      throw_changed(files, "it has an active journal beside its WAL");
    }
    refuse_unseen_wal(files, facts.header);
    static_cast<void>(mover.move_main());  // may be shortened under us; the WAL says its size
    // Between main and WAL: what the index promises now is in main or in the WAL that follows.
    files.refresh(SourceFile::shm);
    const LiveIndex index = read_live_wal_index(files);
    static_cast<void>(mover.move_wal());
    if (wal_header_by_path(files) != start) throw_changed(files, "its WAL was reset");
    if (!wal.same_file(files.stat(SourceFile::wal))) throw_changed(files, "its WAL was replaced");
    if (!files.is_current(SourceFile::main)) throw_changed(files, "it was replaced");
    files.refresh(SourceFile::journal);
    if (read_journal_state(files) == format::JournalState::active) {
      throw_changed(files, "a journal appeared beside its WAL");
    }
    refuse_unseen_wal(files, facts.header);
    StagedImage& image = target.image();
    const WalScan scan = scan_wal(image.wal_fd(), image.wal_path(), context);
    if (!scan.header || scan.header->salt != format::parse_wal_header(start)->salt) {
      throw_changed(files, "its WAL was reset");
    }
    if (context.options.opaque) {
      require_readable_wal(image.wal_fd(), image.wal_path(), files.given_path());
    }
    judge_wal(image, scan, index, files.given_path(), report);
    report.verdict = Verdict::proven;
  }

  std::string name_;
  MoverLadder movers_;
};

}  // namespace

std::unique_ptr<CopyStrategy> make_retry_verify_strategy(std::string name, MoverLadder movers) {
  return make_or_unproven(
      std::make_unique<RetryVerifyStrategy>(std::move(name), std::move(movers)));
}

}  // namespace sqlbk::copy
