// Databases at rest, which an idle process holds open: how long a copy takes, and what it costs.
#pragma once

#include <string>
#include <vector>

#include "contender.hpp"
#include "options.hpp"
#include "sqlbk/core/registry.hpp"
#include "workplace.hpp"

namespace sqlbk::tool::bench {

// One result for each size, or one for the user's database. The tools take turns, so that what
// changes with time on the machine meets them all. Throws Error where a database cannot be made.
std::vector<SizeResult> measure_sizes(const Options& options, const Registry& registry,
                                      const std::vector<Contender>& contenders,
                                      const CancelToken& cancel, Workplace& place);

}  // namespace sqlbk::tool::bench
