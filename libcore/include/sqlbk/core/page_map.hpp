// Where the newest version of each page is kept: of a WAL, the last frame that holds the page.
//
// Memory: 8 bytes for each page in the map, which its copies share. While it is filled, at most 24
// for each put(), and where that is more than a few megabytes at most 64 for each page. It never
// grows with the number that a frame states for its page. Thread-safety: a PageMap is constant; a
// PageMapBuilder belongs to one thread. Neither throws but std::bad_alloc.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace sqlbk {

struct PageSlot {
  std::uint32_t page_number = 0;
  std::uint32_t slot = 0;  // from 1; of a WAL: the number of the frame
  friend bool operator==(const PageSlot&, const PageSlot&) = default;
};

class PageMap {
 public:
  PageMap() = default;

  // Sorted by page number; each page once. Valid as long as a copy of the map lives.
  std::span<const PageSlot> pages() const noexcept {
    return pages_ ? std::span<const PageSlot>(*pages_) : std::span<const PageSlot>();
  }
  // Those from `first` to `last`.
  std::span<const PageSlot> pages(std::uint32_t first, std::uint32_t last) const noexcept;
  // 0: the page is not in the map.
  std::uint32_t slot_of(std::uint32_t page_number) const noexcept;

 private:
  friend class PageMapBuilder;
  explicit PageMap(std::vector<PageSlot> pages)
      : pages_(std::make_shared<const std::vector<PageSlot>>(std::move(pages))) {}

  std::shared_ptr<const std::vector<PageSlot>> pages_;  // nullptr: empty
};

class PageMapBuilder {
 public:
  // Replaces what was put for the same page before.
  void put(std::uint32_t page_number, std::uint32_t slot);
  // The map of the pages up to `last_page`.
  PageMap finish(std::uint32_t last_page) &&;

 private:
  void drop_replaced();

  std::vector<PageSlot> pages_;  // in the order of put(), but for what drop_replaced() has seen
};

// In the order of their slots, which is that of the file that keeps them.
std::vector<PageSlot> by_slot(std::span<const PageSlot> pages);

}  // namespace sqlbk
