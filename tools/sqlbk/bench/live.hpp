// Databases that are being written: is each copy one committed state, and a fresh one, and what do
// the writers notice.
#pragma once

#include <string>
#include <vector>

#include "contender.hpp"
#include "options.hpp"
#include "sqlbk/core/registry.hpp"
#include "workplace.hpp"

namespace sqlbk::tool::bench {

// One result for each load: the product of journal modes and locking modes. Each tool gets a fresh
// database with fresh writers. Where the database was damaged by SQLite itself (bug R in
// docs/torture.md), the tool gets another; `notes` says so. Throws Error where a writer fails.
std::vector<LoadResult> measure_live(const Options& options, const Registry& registry,
                                     const std::vector<Contender>& contenders,
                                     const CancelToken& cancel, Workplace& place,
                                     std::vector<std::string>& notes);

}  // namespace sqlbk::tool::bench
