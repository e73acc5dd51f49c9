// The results as text for a terminal.
#pragma once

#include "results.hpp"
#include "terminal.hpp"

namespace sqlbk::tool::bench {

void print_table(TextOutput& out, const Results& results);

}  // namespace sqlbk::tool::bench
