// What --no-copy-retry-strict asks for: where a strategy without a lock has given up, a copy all
// the same, verdict unproven. Private to libcopy.
#pragma once

#include <memory>

#include "sqlbk/core/copy_strategy.hpp"

namespace sqlbk::copy {

// `proving` itself, and after its last attempt the bytes as they lie there, if the options of the
// run say so.
std::unique_ptr<CopyStrategy> make_or_unproven(std::unique_ptr<CopyStrategy> proving);

}  // namespace sqlbk::copy
