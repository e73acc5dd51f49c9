#include "movers.hpp"

#include <algorithm>

namespace sqlbk::copy {

Mover::~Mover() = default;

bool may_share_blocks(const MoverLadder& movers) noexcept {
  return std::ranges::any_of(movers, &Mover::shares_extents);
}

MoverLadder best_movers() {
  MoverLadder ladder;
  ladder.push_back(make_reflink_mover());
  ladder.push_back(make_range_mover());
  ladder.push_back(make_plain_mover());
  return ladder;
}

MoverLadder only(const MoverFactory& make) {
  MoverLadder ladder;
  ladder.push_back(make());
  return ladder;
}

}  // namespace sqlbk::copy
