#include "unproven.hpp"

#include <cstdint>
#include <utility>

#include "source_mover.hpp"
#include "sqlbk/core/committed_view.hpp"
#include "wal_part.hpp"
#include "wal_reset_check.hpp"

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

  Evidence attempt(LiveFiles& files, StagedImage& image, const CopyOptions& options,
                   RunContext& context) override {
    files.begin_attempt();
    const SourceFacts facts = probe_source(files);
    const std::uint32_t left_to_main = frames_left_to_main(files, options, context);
    SourceMover mover(files, image, movers_);
    static_cast<void>(mover.move_main(context));
    if (facts.journal_state == format::JournalState::active && !facts.names_super_journal) {
      static_cast<void>(mover.move_journal(context));
    }
    Evidence evidence{.verdict = Verdict::unproven, .mover = mover.mover_used()};
    if (facts.wal_size_bytes() > 0) evidence.wal = copy_wal(mover, image, context);
    if (left_to_main != 0 && image.wal_prefix) leave_to_main(left_to_main, image, context);
    return evidence;
  }

 private:
  // Of a source that SQLite's WAL-reset bug has struck: what its programs read, who take the pages
  // of these frames from main. Unmerged, the next to open the copy would apply them all the same.
  static std::uint32_t frames_left_to_main(LiveFiles& files, const CopyOptions& options,
                                           RunContext& context) {
    const WalResetBugFinding finding = find_struck(files, WalReadLocks::none, options, context);
    if (finding.answer != WalResetBugAnswer::struck) return 0;
    if (options.form == ImageForm::main_and_wal) {
      throw wal_reset_bug_error(finding, files.given_path());
    }
    return finding.backfilled_frames;
  }

  static void leave_to_main(std::uint32_t frames, StagedImage& image, RunContext& context) {
    const CommittedView view = CommittedView::of_image(image, context);
    PageMapBuilder behind;
    for (const PageSlot& page : view.newer().map.pages()) {
      if (page.slot > frames) behind.put(page.page_number, page.slot);
    }
    image.wal_prefix->last_frames = {image.wal_prefix->frames,
                                     std::move(behind).finish(view.size_pages())};
  }

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
