#include "sqlbk/core/page_map.hpp"

#include <algorithm>
#include <array>
#include <numeric>

namespace sqlbk {
namespace {

// So many are sorted but once: half a megabyte.
constexpr std::size_t kMostUnsorted = std::size_t{1} << 16U;
constexpr unsigned kDigitBits = 11;
constexpr std::size_t kDigits = std::size_t{1} << kDigitBits;

using Key = std::uint32_t PageSlot::*;

// Stable, so that of one page the last put stays behind the others. By radix: std::stable_sort()
// takes ten times as long for a WAL of a hundred thousand frames.
void sort_by(Key key, std::vector<PageSlot>& slots) {
  if (std::ranges::is_sorted(slots, {}, key)) return;
  std::vector<PageSlot> sorted(slots.size());
  for (unsigned shift = 0; shift < 32; shift += kDigitBits) {
    const auto digit = [key, shift](const PageSlot& slot) {
      return (slot.*key >> shift) % kDigits;
    };
    std::array<std::size_t, kDigits> places{};
    for (const PageSlot& slot : slots) ++places[digit(slot)];
    if (places[digit(slots.front())] == slots.size()) continue;
    std::exclusive_scan(places.begin(), places.end(), places.begin(), std::size_t{0});
    for (const PageSlot& slot : slots) sorted[places[digit(slot)]++] = slot;
    slots.swap(sorted);
  }
}

}  // namespace

std::span<const PageSlot> PageMap::pages(std::uint32_t first, std::uint32_t last) const noexcept {
  const std::span<const PageSlot> all = pages();
  const auto begin = std::ranges::lower_bound(all, first, {}, &PageSlot::page_number);
  const auto end = std::find_if(begin, all.end(),
                                [last](const PageSlot& page) { return page.page_number > last; });
  return {begin, end};
}

std::uint32_t PageMap::slot_of(std::uint32_t page_number) const noexcept {
  const std::span<const PageSlot> found = pages(page_number, page_number);
  return found.empty() ? 0 : found.front().slot;
}

void PageMapBuilder::put(std::uint32_t page_number, std::uint32_t slot) {
  if (pages_.size() == pages_.capacity() && pages_.size() >= kMostUnsorted) {
    drop_replaced();
    // Where less than half of it is in use, there is room for many more.
    if (pages_.size() >= pages_.capacity() / 2) pages_.reserve(2 * pages_.capacity());
  }
  pages_.push_back({page_number, slot});
}

void PageMapBuilder::drop_replaced() {
  sort_by(&PageSlot::page_number, pages_);
  const auto is_replaced = [](const PageSlot& slot, const PageSlot& next) {
    return slot.page_number == next.page_number;
  };
  // std::unique() keeps the first of equal ones; from behind, that is the last.
  const auto kept = std::unique(pages_.rbegin(), pages_.rend(), is_replaced);
  pages_.erase(pages_.begin(), kept.base());
}

PageMap PageMapBuilder::finish(std::uint32_t last_page) && {
  drop_replaced();
  pages_.erase(std::ranges::upper_bound(pages_, last_page, {}, &PageSlot::page_number),
               pages_.end());
  pages_.shrink_to_fit();
  return PageMap(std::move(pages_));
}

std::vector<PageSlot> by_slot(std::span<const PageSlot> pages) {
  std::vector<PageSlot> slots(pages.begin(), pages.end());
  sort_by(&PageSlot::slot, slots);
  return slots;
}

}  // namespace sqlbk
