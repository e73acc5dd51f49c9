#include "sqlbk/core/registry.hpp"

#include <algorithm>
#include <utility>

#include "sqlbk/core/error.hpp"

namespace sqlbk {

PostStep::~PostStep() = default;

namespace {

template <typename Entries, typename Name>
std::string known_names(const Entries& entries, Name name) {
  std::string text;
  for (const auto& entry : entries) {
    if (!text.empty()) text += ", ";
    text += name(entry);
  }
  return text;
}

const auto spec_of = [](const StrategyEntry& entry) { return entry.spec; };
const auto name_of = [](const StepEntry& entry) { return entry.name; };

}  // namespace

void Registry::add(StrategyEntry entry) {
  if (std::ranges::count(strategies_, entry.spec, spec_of) != 0) {
    throw Error(Errc::usage, "there are two strategies of the name " + quoted(entry.spec));
  }
  strategies_.push_back(std::move(entry));
}

void Registry::add(StepEntry entry) {
  if (std::ranges::count(steps_, entry.name, name_of) != 0) {
    throw Error(Errc::usage, "there are two steps of the name " + quoted(entry.name));
  }
  steps_.push_back(std::move(entry));
}

std::unique_ptr<StrategyChooser> Registry::strategy(const std::string& spec) const {
  const auto entry = std::ranges::find(strategies_, spec, spec_of);
  if (entry == strategies_.end()) {
    throw Error(Errc::usage, "there is no strategy " + quoted(spec))
        .with_hint("one of: " + known_names(strategies_, spec_of));
  }
  return entry->make();
}

std::unique_ptr<PostStep> Registry::step(const std::string& spec) const {
  const std::size_t equals = spec.find('=');
  const std::string name = spec.substr(0, equals);
  const std::string argument = equals == std::string::npos ? "" : spec.substr(equals + 1);
  const auto entry = std::ranges::find(steps_, name, name_of);
  if (entry == steps_.end()) {
    throw Error(Errc::usage, "there is no step " + quoted(name))
        .with_hint("one of: " + known_names(steps_, name_of));
  }
  if (entry->argument.empty() && equals != std::string::npos) {
    throw Error(Errc::usage, "the step " + quoted(name) + " takes no argument");
  }
  return entry->make(argument);
}

}  // namespace sqlbk
