// Every mover there is, once. Private to libcopy.
#pragma once

#include <array>
#include <functional>
#include <memory>

#include "mover.hpp"

namespace sqlbk::copy {

using MakeMover = std::unique_ptr<Mover> (*)();
// The same for movers that know more than their type, as those of plug-ins.
using MoverFactory = std::function<std::unique_ptr<Mover>()>;

// In the order in which `sqlbk list` shows them. A new mover gets its line here.
inline constexpr std::array<MakeMover, 4> kMovers{make_plain_mover, make_range_mover,
                                                  make_reflink_mover, make_mmap_mover};

// reflink → range → plain.
MoverLadder best_movers();
MoverLadder only(const MoverFactory& make);

}  // namespace sqlbk::copy
