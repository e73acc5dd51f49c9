// Results of `sqlbk bench` that nobody has measured, to see what becomes of them. For tests.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bench/results.hpp"

namespace sqlbk::test {

// What hostile results consist of; also broken UTF-8 and control bytes.
inline constexpr std::string_view kHostile = "<script>alert('1')</script>\"&\x01\xff]]>--><b>";

// "ordinary", "one-size", "one-tool", "thirty", "none", "nothing-worked", "hostile".
const std::vector<std::string>& made_up_names();
// REQUIRES: one of these names.
tool::bench::Results made_up_results(const std::string& name);

}  // namespace sqlbk::test
