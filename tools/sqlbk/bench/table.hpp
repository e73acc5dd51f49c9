// The results as text for a terminal.
#pragma once

#include <iosfwd>

#include "results.hpp"

namespace sqlbk::tool::bench {

void print_table(std::ostream& out, const Results& results);

}  // namespace sqlbk::tool::bench
