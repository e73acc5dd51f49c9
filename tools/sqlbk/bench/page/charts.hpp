// The charts of the page; each is a <figure> with its caption. Ids on the page are made from what
// is given as `id`. Thread-safety: one thread at a time.
#pragma once

#include <string>
#include <vector>

#include "../results.hpp"
#include "markup.hpp"

namespace sqlbk::tool::bench::page {

// Wall time against the size of the database, a line for each tool. REQUIRES: has_size_chart(),
// that is times at two sizes or more.
bool has_size_chart(const Results& results);
void size_chart(Markup& markup, const Results& results);

// Wall times on one database: a bar for the median, whiskers for the spread.
void time_chart(Markup& markup, const std::string& id, const std::vector<Tool>& tools,
                const SizeResult& size);

// What became of all copies under one load.
void outcome_chart(Markup& markup, const std::string& id, const std::vector<Tool>& tools,
                   const LoadResult& load);
// The outcomes with their colours and patterns: once for all of these charts.
void outcome_legend(Markup& markup);
// What these charts refer to; once, before any of them.
void pattern_definitions(Markup& markup);

// The writers' commits with copies, relative to without.
void commits_chart(Markup& markup, const std::string& id, const std::vector<Tool>& tools,
                   const LoadResult& load);

// The writers' 99th percentile and worst stall.
void stall_chart(Markup& markup, const std::string& id, const std::vector<Tool>& tools,
                 const LoadResult& load);

}  // namespace sqlbk::tool::bench::page
