#include "attempts.hpp"

#include <chrono>
#include <optional>
#include <thread>

#include "sqlbk/core/error.hpp"

namespace sqlbk::copy {

using namespace std::chrono_literals;

void try_while_busy(StagedImage& image, RunContext& context, const std::function<void()>& attempt) {
  constexpr std::chrono::milliseconds kPatience = 5s;
  constexpr int kChanges = 5;
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  for (int changes = 0;;) {
    std::optional<Error> failure;
    try {
      attempt();
      return;
    } catch (const Error& error) {
      if (error.code() == Errc::source_busy) {
        if (std::chrono::steady_clock::now() >= give_up) throw;
      } else if (error.code() != Errc::source_changed || ++changes >= kChanges) {
        throw;
      }
      context.log(LogLevel::debug, error.what());
      failure = error;
    }
    image.discard();
    // Why it waited says more than that the time is over.
    if (context.deadline.has_passed()) throw *failure;
    // Short: under a saturating writer the lock is free for less than SQLite's own steps.
    std::this_thread::sleep_for(1ms);
    if (!context.deadline.has_passed()) context.tick();
  }
}

}  // namespace sqlbk::copy
