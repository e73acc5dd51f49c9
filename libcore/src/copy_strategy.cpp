#include "sqlbk/core/copy_strategy.hpp"

namespace sqlbk {

bool works_by_sqlite_alone(const StrategyTraits& traits, const CopyOptions& options) noexcept {
  return traits.by_sqlite_alone && !options.opaque && options.form == ImageForm::folded;
}

void require_suitable(const Suitability& answer, const std::string& path) {
  if (answer.suitable) return;
  throw Error(Errc::unsuitable,
              "unable to " + answer.operation + " " + quoted(path) + ": " + answer.reason)
      .with_path(path)
      .with_hint(answer.hint);
}

StrategyChooser::~StrategyChooser() = default;

unsigned StrategyChooser::rounds(const CopyOptions&) const {
  return 1;
}

CopyStrategy* StrategyChooser::unproven() {
  return nullptr;
}

std::vector<Assumption> StrategyChooser::preview(LiveFiles& /*files*/, const SourceFacts& facts,
                                                 const CopyOptions& /*options*/,
                                                 RunContext& /*context*/) const {
  require_suitable(probe(facts), facts.given_path);
  return {};
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
