// The parts that a program knows, by name. Filled by explicit calls (register_builtin_strategies(),
// register_builtin_steps()), never by static objects. Thread-safety: fill first, then only read.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sqlbk/core/copy_strategy.hpp"
#include "sqlbk/core/post_step.hpp"

namespace sqlbk {

struct StrategyEntry {
  std::string spec;  // "snapshot+range"
  std::function<std::unique_ptr<StrategyChooser>()> make;
};

struct StepEntry {
  std::string name;      // "checkpoint"
  std::string argument;  // "" or the form of its argument, as "passive|full|restart|truncate"
  std::string summary;
  // `argument` is what stood behind '=', or "". Throws usage for one that it does not know.
  std::function<std::unique_ptr<PostStep>(const std::string& argument)> make;
};

class Registry {
 public:
  // Throw usage where the name is taken.
  void add(StrategyEntry entry);
  void add(StepEntry entry);

  // Throw usage where there is no such part; the message lists what there is.
  std::unique_ptr<StrategyChooser> strategy(const std::string& spec) const;
  std::unique_ptr<PostStep> step(const std::string& spec) const;  // "NAME" or "NAME=ARGUMENT"

  const std::vector<StrategyEntry>& strategies() const noexcept { return strategies_; }
  const std::vector<StepEntry>& steps() const noexcept { return steps_; }

 private:
  std::vector<StrategyEntry> strategies_;
  std::vector<StepEntry> steps_;
};

}  // namespace sqlbk
