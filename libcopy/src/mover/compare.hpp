// Writes only what differs from what the output holds already: for the later rounds of a copy.
// Private to libcopy; no strategy of its own, because the first copy of anything differs wholly.
#pragma once

#include <memory>

#include "mover.hpp"

namespace sqlbk::copy {

// Reads all of the input's range, whatever the output holds.
std::unique_ptr<Mover> make_compare_mover();

}  // namespace sqlbk::copy
