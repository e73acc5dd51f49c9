// One strategy around a mover with hooks, registered as "under-test".
#pragma once

#include <memory>
#include <string>

#include "support/hook_mover.hpp"
#include "support/run_copy.hpp"

namespace sqlbk::test {

using MakeWrapper = std::unique_ptr<CopyStrategy> (*)(std::string name, copy::MoverLadder movers);

inline Registry hooked_strategy(MakeWrapper make, const Hooks& hooks) {
  return registry_of([make, hooks] {
    copy::MoverLadder movers;
    movers.push_back(std::make_unique<HookMover>(copy::make_plain_mover(), hooks));
    return make("under-test", std::move(movers));
  });
}

}  // namespace sqlbk::test
