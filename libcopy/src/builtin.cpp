#include "sqlbk/copy/builtin.hpp"

#include <array>
#include <string>

#include "register_movers.hpp"
#include "strategy/automatic.hpp"
#include "strategy/bare.hpp"
#include "strategy/follow.hpp"
#include "strategy/lock.hpp"
#include "strategy/online.hpp"
#include "strategy/retry_verify.hpp"
#include "strategy/snapshot.hpp"

namespace sqlbk::copy {
namespace {

// A strategy that makes a promise around any mover.
struct Wrapper {
  const char* name;
  std::unique_ptr<CopyStrategy> (*make)(std::string spec, MoverLadder movers);
};

// Each is registered alone, with the best mover that works, and as WRAPPER+M. A new one gets its
// line here; the conformance suite then tests it without being told.
constexpr std::array kWrappers{
    Wrapper{"snapshot", make_snapshot_strategy},
    Wrapper{"lock", make_lock_strategy},
    Wrapper{"retry-verify", make_retry_verify_strategy},
    Wrapper{"follow", make_follow_strategy},
};

}  // namespace

void register_movers(Registry& registry, const std::vector<MoverFactory>& movers) {
  for (const Wrapper& wrapper : kWrappers) {
    for (const MoverFactory& make : movers) {
      const std::string spec = std::string(wrapper.name) + "+" + std::string(make()->name());
      registry.add(
          StrategyEntry{spec, [=, wrap = wrapper.make] { return wrap(spec, only(make)); }});
    }
  }
  for (const MoverFactory& make : movers) {
    const std::string spec(make()->name());
    registry.add(StrategyEntry{spec, [=] { return make_bare_strategy(spec, only(make)); }});
  }
}

// Every strategy that a user can name.
void register_builtin_strategies(Registry& registry) {
  registry.add(StrategyEntry{"auto", make_automatic_strategy});
  for (const Wrapper& wrapper : kWrappers) {
    registry.add(
        StrategyEntry{wrapper.name, [=] { return wrapper.make(wrapper.name, best_movers()); }});
  }
  registry.add(StrategyEntry{"online", make_online_strategy});
  register_movers(registry, {kMovers.begin(), kMovers.end()});
}

}  // namespace sqlbk::copy
