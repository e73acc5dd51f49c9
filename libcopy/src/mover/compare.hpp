// Writes only what differs from what the output holds already: for the later rounds of a copy.
// Private to libcopy; no strategy of its own, because the first copy of anything differs wholly.
#pragma once

#include <cstdint>
#include <memory>

#include "mover.hpp"

namespace sqlbk::copy {

class CompareMover : public Mover {
 public:
  // What has differed, and was written, in all moves so far.
  virtual std::uint64_t written_bytes() const noexcept = 0;
};

// Reads all of the input's range, whatever the output holds.
std::unique_ptr<CompareMover> make_compare_mover();

}  // namespace sqlbk::copy
