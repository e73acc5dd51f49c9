// Whether main holds what the newest versions of its pages hold. Private to libcore.
// Memory: one batch of pages and one page. Thread-safety: one thread. On failure throws Error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sqlbk/core/committed_view.hpp"

namespace sqlbk {

// The pages whose newest version is in a slot up to `last_slot`, in the order of their slots.
std::vector<PageSlot> pages_up_to(std::uint32_t last_slot, const PageMap& map);

class MainComparison {
 public:
  // Of these pages of `newer`, in the order of their slots. REQUIRES: what is referred to outlives
  // the object.
  MainComparison(const BorrowedFile& main, const NewerPages& newer, std::uint32_t page_size_bytes,
                 std::span<const PageSlot> pages);

  enum class Answer {
    differs,
    same_content,  // but for bytes in which SQLite keeps nothing
    same_bytes,
  };
  // Of the next page. REQUIRES: not called more often than there are pages.
  Answer next();

 private:
  void read_batch();

  const BorrowedFile& main_;
  const NewerPages& newer_;
  std::uint32_t page_size_bytes_;
  std::size_t content_bytes_;
  std::span<const PageSlot> pages_;
  std::size_t next_ = 0;
  std::size_t batch_end_ = 0;  // pages before it are in the batch
  std::uint64_t batch_offset_ = 0;
  std::size_t batch_bytes_ = 0;
  std::vector<std::byte> batch_;
  std::vector<std::byte> in_main_;
};

}  // namespace sqlbk
