#include "check_result.hpp"

namespace sqlbk::checkpoint {

bool means_damage(const Error& error) noexcept {
  return error.code() == Errc::damaged || error.code() == Errc::not_a_database;
}

StepReport run_check(const std::string& name, RunContext& context,
                     const std::function<void(StepReport&)>& check) {
  StepReport report{.name = name, .verdict = StepVerdict::ok, .findings = {}, .elapsed = {}};
  try {
    check(report);
    if (!report.findings.empty() && report.verdict == StepVerdict::ok) {
      report.verdict = StepVerdict::damaged;
    }
  } catch (const Error& error) {
    context.tick();  // was it us who stopped the statement?
    // Damage that was found before the check broke off stays damage.
    const bool damaged = means_damage(error) || !report.findings.empty();
    report.verdict = damaged ? StepVerdict::damaged : StepVerdict::could_not_check;
    report.findings.emplace_back(error.what());
    report.error = error;
  }
  return report;
}

}  // namespace sqlbk::checkpoint
