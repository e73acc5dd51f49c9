// Whether there is room for what a benchmark makes. Thread-safety: pure system calls.
#pragma once

#include <cstdint>
#include <string>

#include "options.hpp"

namespace sqlbk::tool::bench {

// An upper bound for all that lies there at one time. `database_bytes`: of the user's own, or 0.
std::uint64_t needed_bytes(const Options& options, std::uint64_t database_bytes);

// Throws no_space, saying how much is needed and how much is free.
void check_room(const std::string& directory, std::uint64_t bytes);

}  // namespace sqlbk::tool::bench
