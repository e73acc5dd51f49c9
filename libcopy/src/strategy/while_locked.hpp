// How long a strategy that takes SQLite's locks is tried. Private to libcopy.
#pragma once

#include <chrono>

#include "sqlbk/core/copy_strategy.hpp"

namespace sqlbk::copy {

// A lock may be held for seconds. A source that changes in spite of a lock is being replaced.
inline constexpr AttemptPolicy kWhileLocked{.attempts = 5,
                                            .busy_patience = std::chrono::seconds(5)};

}  // namespace sqlbk::copy
