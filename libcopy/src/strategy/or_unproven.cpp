#include "or_unproven.hpp"

#include <utility>

#include "../mover/movers.hpp"
#include "bare.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::copy {
namespace {

bool has_given_up(Errc code) {
  return code == Errc::source_changed || code == Errc::source_busy ||
         code == Errc::frames_without_checksum || code == Errc::deadline_exceeded;
}

class OrUnproven final : public CopyStrategy {
 public:
  explicit OrUnproven(std::unique_ptr<CopyStrategy> proving) : proving_(std::move(proving)) {}

  std::string_view name() const noexcept override { return proving_->name(); }
  std::string_view summary() const noexcept override { return proving_->summary(); }
  StrategyTraits traits() const noexcept override { return proving_->traits(); }
  Suitability probe(const SourceFacts& facts) const override { return proving_->probe(facts); }

  void copy(LiveFiles& files, StagedTarget& target, RunContext& context, Report& report) override {
    try {
      proving_->copy(files, target, context, report);
    } catch (const Error& error) {
      if (context.options.strict || !has_given_up(error.code())) throw;
      context.log(LogLevel::info, error.what());
      context.deadline = Deadline::never();
      report.facts.clear();
      target.image().discard();
      make_bare_strategy("bare", best_movers())->copy(files, target, context, report);
    }
  }

 private:
  std::unique_ptr<CopyStrategy> proving_;
};

}  // namespace

std::unique_ptr<CopyStrategy> make_or_unproven(std::unique_ptr<CopyStrategy> proving) {
  return std::make_unique<OrUnproven>(std::move(proving));
}

}  // namespace sqlbk::copy
