// Reads a CheckedState for somebody who mostly goes forward through it: in large pieces then, since
// a system call for each page costs as much as the page. Private to libcheckpoint.
// Memory: kAheadBytes, once it goes forward. Thread-safety: for one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "verify/checked_state.hpp"

namespace sqlbk::checkpoint {

class ReadAhead {
 public:
  static constexpr std::size_t kAheadBytes = std::size_t{64} << 10U;

  explicit ReadAhead(const CheckedState& state) noexcept : state_(state) {}

  // As CheckedState::read().
  std::size_t read(std::span<std::byte> buffer, std::uint64_t offset) {
    if (offset < start_ || offset + buffer.size() > start_ + ahead_.size()) {
      // A little further than the last time is forward, too: pages of other trees lie in between.
      const bool forward = offset >= last_end_ && offset - last_end_ < kAheadBytes / 2;
      last_end_ = offset + buffer.size();
      if (!forward || buffer.size() > kAheadBytes / 2) return state_.read(buffer, offset);
      fill(offset);
      if (buffer.size() > ahead_.size()) return state_.read(buffer, offset);
    }
    last_end_ = offset + buffer.size();
    std::copy_n(ahead_.begin() + static_cast<std::ptrdiff_t>(offset - start_), buffer.size(),
                buffer.begin());
    return buffer.size();
  }

 private:
  void fill(std::uint64_t offset) {
    ahead_.resize(kAheadBytes);
    start_ = offset;
    std::size_t got = 0;
    try {
      got = state_.read(ahead_, offset);
    } catch (...) {
      ahead_.clear();  // what stands there now is nothing
      throw;
    }
    ahead_.resize(got);
  }

  const CheckedState& state_;
  std::vector<std::byte> ahead_;
  std::uint64_t start_ = 0;
  std::uint64_t last_end_ = 0;
};

}  // namespace sqlbk::checkpoint
