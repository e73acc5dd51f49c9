// Looks at the source and chooses. Private to libcopy.
#pragma once

#include <memory>

#include "sqlbk/core/copy_strategy.hpp"

namespace sqlbk::copy {

std::unique_ptr<StrategyChooser> make_automatic_strategy();

}  // namespace sqlbk::copy
