#include "verify/checked_state.hpp"

#include <algorithm>
#include <utility>

#include "sqlbk/core/io.hpp"

namespace sqlbk::checkpoint {

CheckedState::CheckedState(BorrowedFile main)
    : main_(std::move(main)), size_bytes_(stat_of(main_.fd, main_.path).size_bytes) {}

CheckedState::CheckedState(CommittedView view)
    : main_(view.main()), size_bytes_(view.size_bytes()), view_(std::move(view)) {}

std::size_t CheckedState::read(std::span<std::byte> buffer, std::uint64_t offset) const {
  if (offset >= size_bytes_) return 0;
  const std::uint64_t left = size_bytes_ - offset;
  if (buffer.size() > left) buffer = buffer.first(static_cast<std::size_t>(left));
  if (!view_) return read_up_to(main_.fd, buffer, offset, main_.path);
  view_->read_bytes(offset, buffer);
  return buffer.size();
}

}  // namespace sqlbk::checkpoint
