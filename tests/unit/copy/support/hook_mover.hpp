// A mover that lets a test act before, in the middle of, and after each file that is moved.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mover/mover.hpp"
#include "register_movers.hpp"

namespace sqlbk::test {

// Each is called with the job under way; the thread is that of the copy. Empty: nothing happens.
struct Hooks {
  std::function<void(const copy::MoveJob&, RunContext&)> before;
  std::function<void(const copy::MoveJob&, RunContext&)> middle;
  std::function<void(const copy::MoveJob&, RunContext&)> after;
};

class HookMover final : public copy::Mover {
 public:
  HookMover(std::unique_ptr<copy::Mover> mover, Hooks hooks)
      : mover_(std::move(mover)), hooks_(std::move(hooks)) {}

  std::string_view name() const noexcept override { return mover_->name(); }
  std::string_view summary() const noexcept override { return mover_->summary(); }

  copy::Moved move(const copy::MoveJob& job, RunContext& context) override {
    if (hooks_.before) hooks_.before(job, context);
    copy::MoveJob first = job;
    first.length_bytes = job.length_bytes / 2;
    copy::Moved moved = mover_->move(first, context);
    if (moved.outcome == copy::MoveOutcome::unsupported) return moved;
    if (hooks_.middle) hooks_.middle(job, context);
    copy::MoveJob second = job;
    second.offset_bytes = job.offset_bytes + first.length_bytes;
    second.length_bytes = job.length_bytes - first.length_bytes;
    // A first half that ended early leaves nothing to be moved behind it.
    if (moved.bytes == first.length_bytes) moved.bytes += mover_->move(second, context).bytes;
    if (hooks_.after) hooks_.after(job, context);
    return moved;
  }

 private:
  std::unique_ptr<copy::Mover> mover_;
  Hooks hooks_;
};

// Every wrapper around such a mover, and the mover alone, by their names in libcopy.
inline Registry hooked_registry(const Hooks& hooks) {
  Registry registry;
  copy::register_movers(
      registry, {[hooks] { return std::make_unique<HookMover>(copy::make_plain_mover(), hooks); }});
  return registry;
}

// The names in such a registry, for the strategies that the predicate wants.
inline std::vector<std::string> hooked_strategies(bool (*wanted)(const StrategyTraits& traits)) {
  std::vector<std::string> specs;
  const Registry registry = hooked_registry({});
  for (const StrategyEntry& entry : registry.strategies()) {
    if (wanted(entry.make()->traits())) specs.push_back(entry.spec);
  }
  return specs;
}

inline bool any_strategy(const StrategyTraits&) {
  return true;
}
inline bool takes_locks(const StrategyTraits& traits) {
  return traits.takes_locks;
}

// Of a test: letters, digits and underscores.
inline std::string test_name(std::string spec) {
  for (char& c : spec) {
    if (c == '+' || c == '-') c = '_';
  }
  return spec;
}

}  // namespace sqlbk::test
