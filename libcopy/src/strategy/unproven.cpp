#include "unproven.hpp"

#include "source_mover.hpp"
#include "wal_part.hpp"

namespace sqlbk::copy {
namespace {

class UnprovenStrategy final : public CopyStrategy {
 public:
  explicit UnprovenStrategy(const MoverLadder& movers) : movers_(movers) {}

  std::string_view name() const noexcept override { return "unproven"; }
  std::string_view summary() const noexcept override {
    return "the bytes of main and WAL or journal as they lie there";
  }
  StrategyTraits traits() const noexcept override {
    return {.can_deliver_wal = true, .is_mover = true};
  }
  Suitability probe(const SourceFacts&) const override { return {}; }

  Evidence attempt(LiveFiles& files, StagedImage& image, const CopyOptions&,
                   RunContext& context) override {
    files.begin_attempt();
    const SourceFacts facts = probe_source(files);
    SourceMover mover(files, image, movers_);
    static_cast<void>(mover.move_main(context));
    if (facts.journal_state == format::JournalState::active && !facts.names_super_journal) {
      static_cast<void>(mover.move_journal(context));
    }
    Evidence evidence{.verdict = Verdict::unproven, .mover = mover.mover_used()};
    if (facts.wal_size_bytes() > 0) evidence.wal = copy_wal(mover, image, context);
    return evidence;
  }

 private:
  static WalPosition copy_wal(SourceMover& mover, StagedImage& image, RunContext& context) {
    static_cast<void>(mover.move_wal(context));
    const WalScan scan = scan_wal(image.wal_fd(), image.wal_path(), context);
    if (scan.header) {
      image.wal_prefix = scan.committed;
    } else {
      image.discard_wal();
    }
    return position_of(scan, {});
  }

  const MoverLadder& movers_;
};

}  // namespace

std::unique_ptr<CopyStrategy> make_unproven_strategy(const MoverLadder& movers) {
  return std::make_unique<UnprovenStrategy>(movers);
}

}  // namespace sqlbk::copy
