#include "sqlbk/core/evidence.hpp"

#include <algorithm>
#include <array>

namespace sqlbk {
namespace {

struct KindName {
  AssumptionKind kind;
  std::string_view name;
};
constexpr std::array kKindNames{
    KindName{AssumptionKind::these_files, "these-files"},
    KindName{AssumptionKind::journals_here, "journals-here"},
    KindName{AssumptionKind::one_kernel, "one-kernel"},
    KindName{AssumptionKind::network_locks, "network-locks"},
};

}  // namespace

std::string_view to_string(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::none:
      return "none";
    case Verdict::snapshot:
      return "snapshot";
    case Verdict::proven:
      return "proven";
    case Verdict::at_rest:
      return "at-rest";
    case Verdict::recovered:
      return "recovered";
    case Verdict::assumed:
      return "assumed";
    case Verdict::unproven:
      return "unproven";
  }
  return "unknown";
}

std::string_view to_string(AssumptionKind kind) noexcept {
  return std::ranges::find(kKindNames, kind, &KindName::kind)->name;
}

std::optional<AssumptionKind> assumption_kind(std::string_view name) noexcept {
  const auto* const found = std::ranges::find(kKindNames, name, &KindName::name);
  if (found == kKindNames.end()) return std::nullopt;
  return found->kind;
}

}  // namespace sqlbk
