// Which tools take part. Thread-safety: one thread.
#pragma once

#include <vector>

#include "contender.hpp"
#include "options.hpp"
#include "sqlbk/core/registry.hpp"
#include "workplace.hpp"

namespace sqlbk::tool::bench {

// Throws usage for a name that is none. Looks at no file.
void check_selection(const Options& options, const Registry& registry);

// sqlbk's strategies, then the peers. What cannot be used here says why.
std::vector<Contender> select_contenders(const Options& options, const Registry& registry,
                                         Workplace& place);

}  // namespace sqlbk::tool::bench
