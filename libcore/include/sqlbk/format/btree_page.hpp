// The pages of a b-tree, as far as they say which other pages belong to it (fileformat2.html,
// section 1.6), and the pointer map (section 1.8). Pure: bytes in, values out; whatever the bytes
// are, nothing outside of them is read. Thread-safety: pure functions. Nothing here throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sqlbk/format/bytes.hpp"

namespace sqlbk::format {

enum class BtreePageIssue {
  none,
  too_short,  // not a page of the size that the database has
  bad_kind,   // neither of the four kinds
  bad_count,  // more cells than the page has room for
  bad_cell,   // a cell that does not lie on the page
};
std::string_view to_string(BtreePageIssue issue) noexcept;

// How the pages of a database are cut up.
struct PageLayout {
  std::uint32_t size_bytes = 0;
  std::uint32_t reserved_bytes = 0;  // at the end of each page

  std::uint32_t usable_bytes() const noexcept { return size_bytes - reserved_bytes; }
};

struct BtreePage {
  std::uint8_t kind = 0;  // 2 and 5 inner pages of an index and a table, 10 and 13 leaves
  std::uint16_t cells = 0;
  std::uint32_t right_child = 0;  // of an inner page
  std::size_t first_pointer = 0;  // where the cell pointers begin

  bool is_leaf() const noexcept { return (kind & 8U) != 0; }
  bool is_table() const noexcept { return (kind & 1U) != 0; }
};
using ParsedBtreePage = Parsed<BtreePage, BtreePageIssue>;

// `page`: a whole one; page 1 has the database header before its own.
ParsedBtreePage parse_btree_page(Bytes page, const PageLayout& layout, bool is_first) noexcept;

// What a cell refers to; 0: nothing.
struct BtreeCell {
  std::uint32_t left_child = 0;      // of an inner page
  std::uint32_t overflow_page = 0;   // the first of them
  std::uint64_t overflow_pages = 0;  // how many there are
};
using ParsedBtreeCell = Parsed<BtreeCell, BtreePageIssue>;

// REQUIRES: `parsed` is of this page and layout, and index < parsed.cells.
ParsedBtreeCell parse_btree_cell(Bytes page, const PageLayout& layout, const BtreePage& parsed,
                                 std::uint32_t index) noexcept;

// The pointer map, which a database with auto_vacuum has: for each page what it is and who refers
// to it.
enum class PointerKind : std::uint8_t {
  root = 1,
  free = 2,
  overflow1 = 3,
  overflow2 = 4,
  btree = 5
};
inline constexpr std::size_t kPointerMapEntryBytes = 5;

// The page of the lock bytes, which a database of this page size never uses.
std::uint32_t lock_byte_page(std::uint32_t page_size_bytes) noexcept;
// The pointer-map page that has the entry of `page`, or `page` itself where it is one; 0 for page
// 1, which has none.
std::uint32_t pointer_map_page_of(std::uint32_t page, const PageLayout& layout) noexcept;
// Where on that page the entry is: one byte of PointerKind, then the number of the page that refers
// to it. REQUIRES: `page` has an entry.
std::size_t pointer_map_offset_of(std::uint32_t page, const PageLayout& layout) noexcept;

}  // namespace sqlbk::format
