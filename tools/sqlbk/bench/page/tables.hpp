// The full tables of the page. Thread-safety: one thread at a time.
#pragma once

#include "../results.hpp"
#include "markup.hpp"

namespace sqlbk::tool::bench::page {

// Every tool: what it is, its version, why it was not run.
void tool_table(Markup& markup, const std::vector<Tool>& tools);
void time_table(Markup& markup, const std::vector<Tool>& tools, const SizeResult& size);
// Under one load: the copies, and the writers.
void load_tables(Markup& markup, const std::vector<Tool>& tools, const LoadResult& load);

}  // namespace sqlbk::tool::bench::page
