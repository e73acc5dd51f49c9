// How far the checks have come: integrity_check reads the pages of a table twice, first as a tree
// and then as rows; each time counts for half a page. Private to libcheckpoint.
// Memory: two bits a page. Thread-safety: any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "sqlbk/core/progress.hpp"

namespace sqlbk::checkpoint {

class PagesSeen {
 public:
  // `page_size_bytes` 0: not known, and nothing is counted.
  PagesSeen(std::uint64_t size_bytes, std::uint32_t page_size_bytes, Progress& progress)
      : page_size_bytes_(page_size_bytes), progress_(progress) {
    size_pages_ = page_size_bytes == 0 ? 0 : size_bytes / page_size_bytes;
    for (Bits& bits : seen_) bits = Bits(size_pages_ / kBitsPerWord + 1);
  }

  void add(std::uint64_t offset, std::uint64_t size) noexcept {
    if (size != page_size_bytes_ || offset / size >= size_pages_) return;
    const std::uint64_t page = offset / size;
    const std::uint64_t bit = std::uint64_t{1} << page % kBitsPerWord;
    for (Bits& bits : seen_) {
      std::atomic<std::uint64_t>& word = bits[page / kBitsPerWord];
      // Looked at first: most pages of an index are seen again and again.
      if ((word.load(std::memory_order_relaxed) & bit) != 0) continue;
      if ((word.fetch_or(bit, std::memory_order_relaxed) & bit) != 0) continue;
      progress_.add(size / 2);
      return;
    }
  }

 private:
  static constexpr std::uint64_t kBitsPerWord = 64;
  using Bits = std::vector<std::atomic<std::uint64_t>>;

  std::uint32_t page_size_bytes_;
  std::uint64_t size_pages_ = 0;
  Progress& progress_;
  std::array<Bits, 2> seen_;
};

}  // namespace sqlbk::checkpoint
