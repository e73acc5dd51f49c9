// Whether copying again comes nearer to a copy. Private to libcopy.
#pragma once

#include <cstdint>
#include <optional>

namespace sqlbk::copy {

// Given, round by round, how much of main had changed since the round before.
class Convergence {
 public:
  void add(std::uint64_t changed_bytes) noexcept {
    if (!first_) {
      first_ = changed_bytes;
      return;
    }
    no_less_ = changed_bytes >= *first_ ? no_less_ + 1 : 0;
  }
  // Three in a row changed no less than the first: nothing says that the next one would be it.
  bool is_hopeless() const noexcept { return no_less_ >= 3; }

 private:
  std::optional<std::uint64_t> first_;
  unsigned no_less_ = 0;
};

}  // namespace sqlbk::copy
