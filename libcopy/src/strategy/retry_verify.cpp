#include "retry_verify.hpp"

#include <algorithm>
#include <utility>

#include "quiet_copy.hpp"
#include "source_changed.hpp"
#include "sqlbk/core/error.hpp"
#include "wal_header_file.hpp"
#include "wal_part.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;

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
    for (unsigned attempt = 1;; ++attempt) {
      report.attempts += 1;
      try {
        copy_once(files, target, mover, context, report);
        report.strategy = mover.mover_used().empty() ? name_ : "retry-verify+" + mover.mover_used();
        report.facts.emplace_back("rounds", std::to_string(attempt));
        return;
      } catch (const Error& error) {
        const bool again = error.code() == Errc::source_changed ||
                           error.code() == Errc::source_busy ||
                           error.code() == Errc::frames_without_checksum;
        if (!again) throw;
        context.deadline.first_pass_done();
        if (attempt >= attempts || context.deadline.has_passed()) throw;
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
  void copy_once(LiveFiles& files, StagedTarget& target, SourceMover& mover, RunContext& context,
                 Report& report) {
    files.refresh(SourceFile::main);
    files.refresh_sidecars();
    const std::optional<WalHeaderBytes> start = wal_header_by_path(files);
    const format::ParsedWalHeader header = parse(start);
    if (!header || header->salt.is_zero()) {
      // Equal headers prove nothing where there are none: created, checkpointed, deleted between.
      copy_quietly(files, target, mover, context, report);
      return;
    }
    copy_beside_wal(files, target, mover, *start, context, report);
  }

  // docs/consistency.md, "retry-verify, WAL".
  static void copy_beside_wal(LiveFiles& files, StagedTarget& target, SourceMover& mover,
                              const WalHeaderBytes& start, RunContext& context, Report& report) {
    const SourceFacts facts = probe_source(files);
    require_copyable(facts, {.opaque = context.options.opaque});
    if (facts.journal_state == format::JournalState::active) {
      throw_changed(files, "it has an active journal beside its WAL");
    }
    static_cast<void>(mover.move_main());  // may be shortened under us; the WAL says its size
    // Between main and WAL: what the index promises now is in main or in the WAL that follows.
    files.refresh(SourceFile::shm);
    const LiveIndex index = read_live_wal_index(files);
    static_cast<void>(mover.move_wal());
    if (wal_header_by_path(files) != start) throw_changed(files, "its WAL was reset");
    if (!files.is_current(SourceFile::main)) throw_changed(files, "it was replaced");
    files.refresh(SourceFile::journal);
    if (read_journal_state(files) == format::JournalState::active) {
      throw_changed(files, "a journal appeared beside its WAL");
    }
    StagedImage& image = target.image();
    const WalScan scan = scan_wal(image.wal_fd(), image.wal_path(), context);
    if (!scan.header || scan.header->salt != format::parse_wal_header(start)->salt) {
      throw_changed(files, "its WAL was reset");
    }
    judge_wal(image, scan, index, files.given_path(), report);
    report.verdict = Verdict::proven;
  }

  std::string name_;
  MoverLadder movers_;
};

}  // namespace

std::unique_ptr<CopyStrategy> make_retry_verify_strategy(std::string name, MoverLadder movers) {
  return std::make_unique<RetryVerifyStrategy>(std::move(name), std::move(movers));
}

}  // namespace sqlbk::copy
