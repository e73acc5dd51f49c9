#include "main_comparison.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "sqlbk/core/io.hpp"
#include "sqlbk/core/locks.hpp"

namespace sqlbk {
namespace {

// Large enough that system calls do not count, small enough to stay in the cache.
constexpr std::size_t kBatchBytes = std::size_t{1} << 20U;
constexpr std::uint64_t kGapBytes = std::uint64_t{8} << 10U;
constexpr std::uint64_t kReservedBytesOffset = 20;  // of the database header

std::uint32_t byte_at(const BorrowedFile& file, std::uint64_t offset) {
  std::array<std::byte, 1> byte{};
  static_cast<void>(read_up_to(file.fd, byte, offset, file.path));
  return std::to_integer<std::uint32_t>(byte.front());
}

// At the end of each page, for extensions. The checksums of cksumvfs there are those of the main
// file only: its frames carry stale ones.
std::uint32_t reserved_bytes(const BorrowedFile& main, const NewerPages& newer) {
  const std::uint32_t in_main = byte_at(main, kReservedBytesOffset);
  const std::uint32_t slot = newer.map.slot_of(1);
  if (slot == 0) return in_main;
  return std::max(in_main, byte_at(newer.file, newer.offset_of(slot) + kReservedBytesOffset));
}

}  // namespace

std::vector<PageSlot> pages_up_to(std::uint32_t last_slot, const PageMap& map) {
  std::vector<PageSlot> pages = by_slot(map.pages());
  const auto behind = std::ranges::upper_bound(pages, last_slot, {}, &PageSlot::slot);
  pages.erase(behind, pages.end());
  return pages;
}

MainComparison::MainComparison(const BorrowedFile& main, const NewerPages& newer,
                               std::uint32_t page_size_bytes, std::span<const PageSlot> pages)
    : main_(main),
      newer_(newer),
      page_size_bytes_(page_size_bytes),
      content_bytes_(page_size_bytes - std::min(page_size_bytes, reserved_bytes(main, newer))),
      pages_(pages),
      in_main_(page_size_bytes) {}

MainComparison::Answer MainComparison::next() {
  if (next_ == batch_end_) read_batch();
  const PageSlot& page = pages_[next_++];
  // The page of the lock bytes is never read by SQLite.
  if (page.page_number == kPendingByte / page_size_bytes_ + 1) return Answer::same_content;
  const std::uint64_t offset = std::uint64_t{page.page_number - 1} * page_size_bytes_;
  const std::size_t in_batch = newer_.offset_of(page.slot) - batch_offset_;
  if (in_batch + page_size_bytes_ > batch_bytes_ ||
      read_up_to(main_.fd, in_main_, offset, main_.path) != page_size_bytes_) {
    return Answer::differs;
  }
  const std::byte* const wanted = batch_.data() + in_batch;
  if (std::memcmp(wanted, in_main_.data(), page_size_bytes_) == 0) return Answer::same_bytes;
  const bool is_same = std::memcmp(wanted, in_main_.data(), content_bytes_) == 0;
  return is_same ? Answer::same_content : Answer::differs;
}

// Reads on over small gaps, which takes no longer than another call.
void MainComparison::read_batch() {
  batch_offset_ = newer_.offset_of(pages_[next_].slot);
  std::uint64_t end = batch_offset_;
  for (batch_end_ = next_; batch_end_ < pages_.size(); ++batch_end_) {
    const std::uint64_t offset = newer_.offset_of(pages_[batch_end_].slot);
    const bool is_far = offset - end > kGapBytes || offset - batch_offset_ > kBatchBytes;
    if (batch_end_ != next_ && is_far) break;
    end = offset + page_size_bytes_;
  }
  const auto size = static_cast<std::size_t>(end - batch_offset_);
  if (batch_.size() < size) batch_.resize(size);
  batch_bytes_ =
      read_up_to(newer_.file.fd, std::span(batch_).first(size), batch_offset_, newer_.file.path);
}

}  // namespace sqlbk
