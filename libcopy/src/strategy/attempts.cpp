#include "attempts.hpp"

#include <chrono>

#include "sqlbk/core/error.hpp"

namespace sqlbk::copy {

using namespace std::chrono_literals;

void try_while_busy(StagedImage& image, RunContext& context, const std::function<void()>& attempt) {
  constexpr std::chrono::milliseconds kPatience = 5s;
  constexpr int kChanges = 5;
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  for (int changes = 0;;) {
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
    }
    image.discard();
    // Short: under a saturating writer the lock is free for less than SQLite's own steps.
    context.sleep_for(1ms);
  }
}

}  // namespace sqlbk::copy
