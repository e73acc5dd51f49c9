#include "verify/page_owners.hpp"

#include <algorithm>
#include <array>

#include "sqlbk/core/error.hpp"
#include "verify/read_ahead.hpp"

namespace sqlbk::checkpoint {
namespace {

using format::PointerKind;

constexpr std::size_t kMostFindings = 100;
constexpr std::size_t kFirstFreePageOffset = 32;
constexpr std::size_t kPageNumberBytes = 4;
constexpr std::uint64_t kBitsPerWord = 64;
constexpr int kMostLevels = 20;  // BTCURSOR_MAX_DEPTH in btreeInt.h
constexpr unsigned kPagesBetweenLooks = 1024;

std::string page_name(std::uint32_t page) {
  return "page " + std::to_string(page);
}

// As lockBtree() in btree.c, but no more than there are: a damaged header may say anything.
std::uint32_t size_in_pages(const format::DbHeader& header, std::uint64_t size_bytes) {
  const auto in_file = static_cast<std::uint32_t>(size_bytes / header.page_size_bytes);
  return header.has_valid_size() ? std::min(header.size_pages, in_file) : in_file;
}

}  // namespace

// One tree: a page at a time, the others of its level wait as numbers.
class PageOwners::Walk {
 public:
  Walk(PageOwners& owners, std::uint32_t root)
      : owners_(owners),
        user_("the tree of page " + std::to_string(root)),
        page_(owners.layout_.size_bytes),
        reader_(owners.state_) {
    waiting_.push_back({root, 1});
  }

  void run() {
    while (!waiting_.empty()) {
      const Waiting page = waiting_.back();
      waiting_.pop_back();
      if (owners_.note(page.number, user_)) look_at(page.number, page.level);
    }
  }

 private:
  struct Waiting {
    std::uint32_t number;
    int level;
  };

  void look_at(std::uint32_t number, int level) {
    pause();
    if (!read(number, page_)) {
      owners_.find(page_name(number) + " is behind the end of the file");
      return;
    }
    const format::ParsedBtreePage parsed =
        format::parse_btree_page(page_, owners_.layout_, number == 1);
    if (!parsed) {
      owners_.find(page_name(number) + ' ' + std::string(format::to_string(parsed.issue)));
      return;
    }
    if (!parsed->is_leaf() && level == kMostLevels) {
      owners_.find(user_ + " has more than " + std::to_string(kMostLevels) + " levels");
      return;
    }
    // The right child, and before it the left ones from right to left: they are taken from the end,
    // which is the order of the tree and mostly that of the file.
    if (!parsed->is_leaf()) waiting_.push_back({parsed->right_child, level + 1});
    for (std::uint32_t i = parsed->cells; i-- > 0;) {
      const format::ParsedBtreeCell cell =
          format::parse_btree_cell(page_, owners_.layout_, *parsed, i);
      if (!cell) {
        owners_.find(page_name(number) + ' ' + std::string(format::to_string(cell.issue)));
        return;
      }
      if (!parsed->is_leaf()) waiting_.push_back({cell->left_child, level + 1});
      if (cell->overflow_pages != 0) follow(cell->overflow_page, cell->overflow_pages, number);
    }
  }

  void follow(std::uint32_t overflow, std::uint64_t wanted, std::uint32_t owner) {
    std::uint64_t count = 0;
    while (overflow != 0) {
      pause();
      if (!owners_.note(overflow, user_)) return;
      ++count;
      std::array<std::byte, kPageNumberBytes> next{};
      if (!read(overflow, next)) {
        owners_.find(page_name(overflow) + " is behind the end of the file");
        return;
      }
      overflow = format::read_be32(next, 0);
    }
    if (count == wanted) return;
    owners_.find("a cell of " + page_name(owner) + " has " + std::to_string(count) +
                 " overflow pages instead of " + std::to_string(wanted));
  }

  bool read(std::uint32_t page, std::span<std::byte> buffer) {
    const std::uint64_t offset = std::uint64_t{page - 1} * owners_.layout_.size_bytes;
    return reader_.read(buffer, offset) == buffer.size();
  }

  void pause() {
    if (++looks_ % kPagesBetweenLooks == 0 && owners_.context_.should_stop()) {
      throw Error(Errc::interrupted, "the walk over the pages was stopped");
    }
  }

  PageOwners& owners_;
  const std::string user_;
  std::vector<std::byte> page_;
  ReadAhead reader_;
  std::vector<Waiting> waiting_;  // of each level at most what one page refers to
  unsigned looks_ = 0;
};

PageOwners::PageOwners(const CheckedState& state, const format::DbHeader& header,
                       RunContext& context)
    : state_(state),
      header_(header),
      layout_{header.page_size_bytes, header.reserved_bytes},
      context_(context),
      size_pages_(size_in_pages(header, state.size_bytes())),
      used_(size_pages_ / kBitsPerWord + 1) {
  // Nobody may use it; a file may be too small to have it.
  const std::uint32_t lock_page = format::lock_byte_page(layout_.size_bytes);
  if (lock_page <= size_pages_) note(lock_page, "");
}

std::uint64_t PageOwners::estimated_pages(std::uint32_t root) const {
  std::vector<std::byte> page(layout_.size_bytes);
  std::uint64_t pages = 1;
  std::uint32_t number = root;
  for (int level = 0; level < kMostLevels && number != 0 && number <= size_pages_; ++level) {
    if (!read(number, page)) break;
    const format::ParsedBtreePage parsed = format::parse_btree_page(page, layout_, number == 1);
    if (!parsed || parsed->is_leaf() || parsed->cells == 0) break;
    pages = std::min<std::uint64_t>(pages * (std::uint64_t{parsed->cells} + 1), size_pages_);
    // One in the middle is like most of them; the first and the last are often half empty.
    number = format::parse_btree_cell(page, layout_, *parsed, parsed->cells / 2U)->left_child;
  }
  return pages;
}

void PageOwners::walk(std::uint32_t root) {
  Walk(*this, root).run();
}

// As checkList() in btree.c.
void PageOwners::walk_freelist() {
  std::array<std::byte, kFirstFreePageOffset + kPageNumberBytes> start{};
  if (!read(1, start)) return;
  std::vector<std::byte> trunk(layout_.size_bytes);
  const std::uint32_t most_leaves = layout_.usable_bytes() / 4 - 2;
  std::uint64_t count = 0;
  std::uint32_t page = format::read_be32(start, kFirstFreePageOffset);
  while (page != 0) {
    if (context_.should_stop()) {
      throw Error(Errc::interrupted, "the walk over the free pages was stopped");
    }
    if (!note(page, "the freelist")) return;
    check_pointer(page, PointerKind::free);
    ++count;
    if (!read(page, trunk)) {
      find("free " + page_name(page) + " is behind the end of the file");
      return;
    }
    const std::uint32_t leaves = format::read_be32(trunk, 4);
    if (leaves > most_leaves) {
      find("free " + page_name(page) + " names " + std::to_string(leaves) + " others, of at most " +
           std::to_string(most_leaves));
      return;
    }
    for (std::size_t i = 0; i < leaves; ++i) {
      const std::uint32_t leaf = format::read_be32(trunk, 8 + 4 * i);
      if (note(leaf, "the freelist")) check_pointer(leaf, PointerKind::free);
    }
    count += leaves;
    page = format::read_be32(trunk, 0);
  }
  if (count == header_.freelist_pages) return;
  find("the freelist has " + std::to_string(count) + " pages instead of " +
       std::to_string(header_.freelist_pages));
}

void PageOwners::finish(std::span<const std::uint32_t> roots) {
  check_header_roots(roots);
  for (const std::uint32_t root : roots) {
    if (root > 1 && root <= size_pages_) check_pointer(root, PointerKind::root);
  }
  for (std::uint32_t page = 1; page <= size_pages_ && findings_.size() < kMostFindings; ++page) {
    const bool used = is_noted(page);
    if (is_pointer_map(page)) {
      if (used) find("pointer-map " + page_name(page) + " is used for something else");
    } else if (!used) {
      find(page_name(page) + " is never used");
    }
  }
}

void PageOwners::check_header_roots(std::span<const std::uint32_t> roots) {
  if (has_pointer_map()) {
    const std::uint32_t largest = roots.empty() ? 0 : *std::ranges::max_element(roots);
    if (largest == header_.auto_vacuum_root) return;
    find("the header says that the largest root is page " +
         std::to_string(header_.auto_vacuum_root) + ", but it is page " + std::to_string(largest));
  } else if (header_.incremental_vacuum != 0) {
    find("the header says incremental_vacuum, but not auto_vacuum");
  }
}

bool PageOwners::is_pointer_map(std::uint32_t page) const noexcept {
  return has_pointer_map() && format::pointer_map_page_of(page, layout_) == page;
}

bool PageOwners::is_noted(std::uint32_t page) const noexcept {
  const std::uint64_t bit = std::uint64_t{1} << page % kBitsPerWord;
  return (used_[page / kBitsPerWord].load(std::memory_order_relaxed) & bit) != 0;
}

bool PageOwners::note(std::uint32_t page, const std::string& user) {
  if (page == 0 || page > size_pages_) {
    find(user + " refers to page " + std::to_string(page) + " of " + std::to_string(size_pages_));
    return false;
  }
  const std::uint64_t bit = std::uint64_t{1} << page % kBitsPerWord;
  if ((used_[page / kBitsPerWord].fetch_or(bit, std::memory_order_relaxed) & bit) == 0) return true;
  find(user + " refers to page " + std::to_string(page) + ", which is used already");
  return false;
}

// Those of the other pages are looked at by the check of the table that they belong to
// (checkTreePage() in btree.c).
void PageOwners::check_pointer(std::uint32_t page, PointerKind kind) {
  if (!has_pointer_map()) return;
  const std::uint32_t lock_page = format::lock_byte_page(layout_.size_bytes);
  // These have no entry; that they are used is found elsewhere.
  if (page == lock_page || is_pointer_map(page)) return;
  std::array<std::byte, format::kPointerMapEntryBytes> entry{};
  const std::uint64_t map = format::pointer_map_page_of(page, layout_);
  const std::uint64_t offset =
      (map - 1) * layout_.size_bytes + format::pointer_map_offset_of(page, layout_);
  const bool whole = state_.read(entry, offset) == entry.size();
  if (whole && format::read_u8(entry, 0) == static_cast<std::uint8_t>(kind) &&
      format::read_be32(entry, 1) == 0) {
    return;
  }
  find("the pointer map is wrong about " + page_name(page));
}

void PageOwners::find(const std::string& finding) {
  const std::lock_guard lock(mutex_);
  if (findings_.size() < kMostFindings) findings_.push_back(finding);
}

bool PageOwners::read(std::uint32_t page, std::span<std::byte> buffer) const {
  const std::uint64_t offset = std::uint64_t{page - 1} * layout_.size_bytes;
  return state_.read(buffer, offset) == buffer.size();
}

}  // namespace sqlbk::checkpoint
