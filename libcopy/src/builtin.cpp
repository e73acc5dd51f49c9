#include "sqlbk/copy/builtin.hpp"

#include <string>

#include "mover/movers.hpp"
#include "strategy/automatic.hpp"
#include "strategy/bare.hpp"
#include "strategy/online.hpp"
#include "strategy/snapshot.hpp"

namespace sqlbk::copy {

// Every strategy that a user can name. A new one gets its line here; the conformance suite then
// tests it without being told.
void register_builtin_strategies(Registry& registry) {
  registry.add(StrategyEntry{"auto", make_automatic_strategy});
  registry.add(
      StrategyEntry{"snapshot", [] { return make_snapshot_strategy("snapshot", best_movers()); }});
  for (const MakeMover make : kMovers) {
    const std::string spec = "snapshot+" + std::string(make()->name());
    registry.add(StrategyEntry{spec, [=] { return make_snapshot_strategy(spec, only(make)); }});
  }
  registry.add(StrategyEntry{"online", make_online_strategy});
  for (const MakeMover make : kMovers) {
    const std::string spec(make()->name());
    registry.add(StrategyEntry{spec, [=] { return make_bare_strategy(spec, only(make)); }});
  }
}

}  // namespace sqlbk::copy
