#include "sqlbk/core/copy_strategy.hpp"

namespace sqlbk {

bool works_by_sqlite_alone(const StrategyTraits& traits, const CopyOptions& options) noexcept {
  return traits.by_sqlite_alone && !options.opaque && options.form == ImageForm::folded;
}

StrategyChooser::~StrategyChooser() = default;

unsigned StrategyChooser::rounds(const CopyOptions&) const {
  return 1;
}

CopyStrategy* StrategyChooser::unproven() {
  return nullptr;
}

std::vector<std::string> StrategyChooser::explain(const SourceFacts& facts) const {
  const Suitability answer = probe(facts);
  std::string line(name());
  line += answer.suitable ? ": as asked for" : ": would refuse this source";
  if (!answer.reason.empty()) line += ", because " + answer.reason;
  return {line};
}

AttemptPolicy CopyStrategy::policy(const CopyOptions&) const {
  return {};
}

void CopyStrategy::end_series() noexcept {}

NextAttempt CopyStrategy::after_failure(const Error&, StagedImage& image) {
  image.discard();
  return {};
}

std::vector<Choice> CopyStrategy::choose(const SourceFacts&, const CopyOptions& options) {
  return {{.strategy = this, .reason = "", .policy = policy(options)}};
}

}  // namespace sqlbk
