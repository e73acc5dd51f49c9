// A mover that leaves holes of the input holes in the output. Private to libcopy.
#pragma once

#include <memory>

#include "mover.hpp"

namespace sqlbk::copy {

// Data is moved by `mover`; the range of a hole is read, and what is zero there is not written
// (sqlbk/core/holes.hpp). The rest of what a Mover promises is kept.
std::unique_ptr<Mover> keeping_holes(std::unique_ptr<Mover> mover);

}  // namespace sqlbk::copy
