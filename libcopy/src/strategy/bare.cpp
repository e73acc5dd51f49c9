#include "bare.hpp"

#include <utility>

#include "quiet_copy.hpp"
#include "source_mover.hpp"
#include "sqlbk/core/error.hpp"
#include "wal_part.hpp"

namespace sqlbk::copy {
namespace {

class BareStrategy final : public CopyStrategy {
 public:
  BareStrategy(std::string name, MoverLadder movers)
      : name_(std::move(name)), movers_(std::move(movers)) {}

  std::string_view name() const noexcept override { return name_; }
  std::string_view summary() const noexcept override {
    return "the bytes of main and WAL or journal, proven only if nobody writes meanwhile";
  }
  StrategyTraits traits() const noexcept override {
    return {.can_deliver_wal = true, .is_mover = true};
  }

  Suitability probe(const SourceFacts& facts) const override { return may_roll_back(facts); }

  void copy(LiveFiles& files, StagedTarget& target, RunContext& context, Report& report) override {
    report.attempts += 1;
    if (context.options.strict) {
      copy_proven(files, target, context, report);
      return;
    }
    try {
      copy_proven(files, target, context, report);
    } catch (const Error& error) {
      if (error.code() != Errc::source_changed && error.code() != Errc::source_busy &&
          error.code() != Errc::frames_without_checksum) {
        throw;
      }
      copy_unproven(files, target, context, report, error.what());
    }
  }

 private:
  void copy_proven(LiveFiles& files, StagedTarget& target, RunContext& context, Report& report) {
    SourceMover mover(files, target, movers_, context, report);
    copy_quietly(files, target, mover, context, report);
    report.strategy = mover.mover_used().empty() ? name_ : mover.mover_used();
  }

  void copy_unproven(LiveFiles& files, StagedTarget& target, RunContext& context, Report& report,
                     const std::string& why) {
    target.image().discard();
    files.begin_attempt();
    const SourceFacts facts = probe_source(files);
    SourceMover mover(files, target, movers_, context, report);
    static_cast<void>(mover.move_main());
    if (facts.journal_state == format::JournalState::active && !facts.names_super_journal) {
      static_cast<void>(mover.move_journal());
    }
    if (facts.wal_size_bytes() > 0) {
      static_cast<void>(mover.move_wal());
      StagedImage& image = target.image();
      const WalScan scan = scan_wal(image.wal_fd(), image.wal_path(), context);
      report_wal(scan, {}, report);
      if (scan.header) {
        image.wal_prefix = scan.committed;
      } else {
        image.discard_wal();
      }
    }
    report.strategy = mover.mover_used().empty() ? name_ : mover.mover_used();
    report.verdict = Verdict::unproven;
    report.warnings.push_back("this copy may be torn or stale: " + why);
  }

  std::string name_;
  MoverLadder movers_;
};

}  // namespace

std::unique_ptr<CopyStrategy> make_bare_strategy(std::string name, MoverLadder movers) {
  return std::make_unique<BareStrategy>(std::move(name), std::move(movers));
}

}  // namespace sqlbk::copy
