// What stands above the charts. Thread-safety: one thread at a time.
#pragma once

#include "../results.hpp"
#include "markup.hpp"

namespace sqlbk::tool::bench::page {

// Title, the command, when and where, how it was measured, and the whole in one small table.
void write_head(Markup& markup, const Results& results);

}  // namespace sqlbk::tool::bench::page
