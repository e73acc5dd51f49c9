// The whole of `sqlbk bench`: from what was asked to what was measured.
#pragma once

#include <string>

#include "options.hpp"
#include "results.hpp"
#include "sqlbk/core/cancel.hpp"
#include "sqlbk/core/registry.hpp"

namespace sqlbk::tool::bench {

// Makes what it needs in a private directory and removes it. Throws Error; what it measured until
// then is lost.
Results run_benchmark(const Options& options, const Registry& registry, const CancelToken& cancel);

// Bad copies by strategies that promise good ones, in words; "": there are none.
std::string broken_promises(const Results& results);

}  // namespace sqlbk::tool::bench
