// One tool that copies, and a copy by it as a process of its own. Thread-safety: values.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "kit/peer.hpp"
#include "results.hpp"
#include "workplace.hpp"

namespace sqlbk::tool::bench {

struct Contender {
  Tool tool;
  kit::Durability durability = kit::Durability::needs_sync;
  // The commands of a copy that gives up by itself after the deadline, if the tool can.
  std::function<std::vector<kit::CopyStep>(const std::string& source,
                                           const std::string& destination,
                                           std::chrono::milliseconds deadline)>
      steps;

  bool available() const noexcept { return tool.unavailable.empty(); }
};

enum class CopyEnd { success, refused, timed_out };

struct CopyOutcome {
  CopyEnd end = CopyEnd::success;
  std::string words;  // of a failure
  kit::ChildResult child;
  double wall_seconds() const noexcept { return std::chrono::duration<double>(child.wall).count(); }
};

// Removes what a copy before has left, and copies. The removal is not measured.
CopyOutcome copy_with(const Contender& contender, const std::string& source,
                      const std::string& destination, std::chrono::milliseconds deadline,
                      const Workplace& place);

}  // namespace sqlbk::tool::bench
