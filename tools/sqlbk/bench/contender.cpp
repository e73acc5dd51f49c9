#include "contender.hpp"

#include <cstddef>

namespace sqlbk::tool::bench {
namespace {

using namespace std::chrono_literals;

// For a tool that gives up by itself, to clear up.
constexpr auto kGrace = 5s;

// What tells nothing: who says it, and in which directory of ours.
std::string without(std::string words, const std::string& noise) {
  for (std::size_t at = words.find(noise); at != std::string::npos; at = words.find(noise, at)) {
    words.erase(at, noise.size());
  }
  return words;
}

}  // namespace

CopyOutcome copy_with(const Contender& contender, const std::string& source,
                      const std::string& destination, std::chrono::milliseconds deadline,
                      const Workplace& place) {
  kit::remove_copy(destination);
  const bool own = contender.tool.kind == ToolKind::strategy;
  CopyOutcome outcome;
  outcome.child =
      kit::run_copy(contender.steps(source, destination, deadline), destination,
                    contender.durability, place.child(own ? deadline + kGrace : deadline));
  if (outcome.child.good()) return outcome;
  const bool late = outcome.child.end == kit::ChildEnd::timed_out || outcome.child.wall >= deadline;
  outcome.end = late ? CopyEnd::timed_out : CopyEnd::refused;
  const std::string directory = source.substr(0, source.rfind('/') + 1);
  outcome.words = without(without(outcome.child.explain(), "sqlbk: "), directory);
  return outcome;
}

}  // namespace sqlbk::tool::bench
