// The results of `sqlbk bench` as a page for browsers: one file with everything in it, nothing is
// fetched, no script. It is also well-formed XML. Thread-safety: a pure function.
#pragma once

#include <string>

#include "results.hpp"

namespace sqlbk::tool::bench {

// A self-contained HTML page of the results.
std::string render_page(const Results& results);

}  // namespace sqlbk::tool::bench
