#include "bare.hpp"

#include <utility>

#include "quiet_copy.hpp"
#include "source_mover.hpp"
#include "unproven.hpp"

namespace sqlbk::copy {
namespace {

class BareStrategy final : public CopyStrategy {
 public:
  BareStrategy(std::string name, MoverLadder movers)
      : name_(std::move(name)), movers_(std::move(movers)) {}

  std::string_view name() const noexcept override { return name_; }
  std::string_view summary() const noexcept override {
    return "the bytes of main and WAL or journal, proven only if nothing is written meanwhile";
  }
  StrategyTraits traits() const noexcept override {
    return {.can_deliver_wal = true,
            .is_mover = true,
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
  CopyStrategy* unproven() override { return unproven_.get(); }

  Evidence attempt(LiveFiles& files, StagedImage& image, const CopyOptions& options,
                   RunContext& context) override {
    SourceMover mover(files, image, movers_);
    return copy_quietly(files, image, mover, options, context);
  }

 private:
  std::string name_;
  MoverLadder movers_;
  std::unique_ptr<CopyStrategy> unproven_ = make_unproven_strategy(movers_);
};

}  // namespace

std::unique_ptr<CopyStrategy> make_bare_strategy(std::string name, MoverLadder movers) {
  return std::make_unique<BareStrategy>(std::move(name), std::move(movers));
}

}  // namespace sqlbk::copy
