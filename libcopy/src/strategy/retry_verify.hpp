// Copying without any lock and proving afterwards that it was one state. Private to libcopy.
#pragma once

#include <memory>
#include <string>

#include "../mover/mover.hpp"
#include "sqlbk/core/copy_strategy.hpp"

namespace sqlbk::copy {

std::unique_ptr<CopyStrategy> make_retry_verify_strategy(std::string name, MoverLadder movers);

}  // namespace sqlbk::copy
