#include "sqlbk/format/btree_page.hpp"

#include "sqlbk/format/db_header.hpp"

namespace sqlbk::format {
namespace {

constexpr std::size_t kLeafHeaderBytes = 8;
constexpr std::size_t kInnerHeaderBytes = 12;
constexpr std::size_t kPointerBytes = 2;
constexpr std::size_t kPageNumberBytes = 4;
constexpr int kMostVarintBytes = 9;

// A position on a page that never goes beyond its end.
class Reader {
 public:
  Reader(Bytes bytes, std::size_t at) : bytes_(bytes), at_(at) {}

  bool has(std::uint64_t count) const noexcept {
    return at_ <= bytes_.size() && count <= bytes_.size() - at_;
  }
  std::size_t at() const noexcept { return at_; }
  void skip(std::size_t count) noexcept { at_ += count; }
  // False where it does not lie on the page.
  bool varint(std::uint64_t& value) noexcept {
    value = 0;
    for (int i = 1; i <= kMostVarintBytes; ++i) {
      if (!has(1)) return false;
      const std::uint8_t byte = read_u8(bytes_, at_++);
      if (i == kMostVarintBytes) {
        value = value << 8U | byte;  // the ninth byte counts whole
        return true;
      }
      value = value << 7U | (byte & 0x7fU);
      if ((byte & 0x80U) == 0) return true;
    }
    return true;
  }

 private:
  Bytes bytes_;
  std::size_t at_;
};

// Bytes of a payload that stay on its page (btreeParseCellAdjustSizeForOverflow() in btree.c).
std::uint64_t local_bytes(std::uint64_t payload, std::uint64_t usable, bool is_table) noexcept {
  const std::uint64_t most = is_table ? usable - 35 : (usable - 12) * 64 / 255 - 23;
  if (payload <= most) return payload;
  const std::uint64_t least = (usable - 12) * 32 / 255 - 23;
  const std::uint64_t surplus = least + (payload - least) % (usable - kPageNumberBytes);
  return surplus <= most ? surplus : least;
}

}  // namespace

std::string_view to_string(BtreePageIssue issue) noexcept {
  switch (issue) {
    case BtreePageIssue::none:
      return "valid";
    case BtreePageIssue::too_short:
      return "is cut off";
    case BtreePageIssue::bad_kind:
      return "is no page of a b-tree";
    case BtreePageIssue::bad_count:
      return "has more cells than there is room for";
    case BtreePageIssue::bad_cell:
      return "has a cell that does not lie on it";
  }
  return "unknown";
}

ParsedBtreePage parse_btree_page(Bytes page, const PageLayout& layout, bool is_first) noexcept {
  ParsedBtreePage parsed;
  BtreePage& value = parsed.value;
  const auto fail = [&parsed](BtreePageIssue issue) {
    parsed.issue = issue;
    return parsed;
  };
  if (page.size() != layout.size_bytes) return fail(BtreePageIssue::too_short);
  const std::size_t header = is_first ? kDbHeaderSizeBytes : 0;
  value.kind = read_u8(page, header);
  if (value.kind != 2 && value.kind != 5 && value.kind != 10 && value.kind != 13) {
    return fail(BtreePageIssue::bad_kind);
  }
  value.cells = read_be16(page, header + 3);
  if (!value.is_leaf()) value.right_child = read_be32(page, header + 8);
  value.first_pointer = header + (value.is_leaf() ? kLeafHeaderBytes : kInnerHeaderBytes);
  if (value.first_pointer + value.cells * kPointerBytes > layout.usable_bytes()) {
    return fail(BtreePageIssue::bad_count);
  }
  return parsed;
}

ParsedBtreeCell parse_btree_cell(Bytes page, const PageLayout& layout, const BtreePage& parsed,
                                 std::uint32_t index) noexcept {
  ParsedBtreeCell cell;
  const auto fail = [&cell] {
    cell.issue = BtreePageIssue::bad_cell;
    return cell;
  };
  const std::uint64_t usable = layout.usable_bytes();
  Reader reader(page.first(layout.usable_bytes()),
                read_be16(page, parsed.first_pointer + index * kPointerBytes));
  if (!parsed.is_leaf()) {
    if (!reader.has(kPageNumberBytes)) return fail();
    cell.value.left_child = read_be32(page, reader.at());
    reader.skip(kPageNumberBytes);
  }
  std::uint64_t payload = 0;
  const bool has_payload = !parsed.is_table() || parsed.is_leaf();
  if (has_payload && !reader.varint(payload)) return fail();
  std::uint64_t rowid = 0;
  if (parsed.is_table() && !reader.varint(rowid)) return fail();
  if (!has_payload) return cell;
  const std::uint64_t local = local_bytes(payload, usable, parsed.is_table());
  if (!reader.has(local)) return fail();
  if (local == payload) return cell;
  reader.skip(static_cast<std::size_t>(local));
  if (!reader.has(kPageNumberBytes)) return fail();
  cell.value.overflow_page = read_be32(page, reader.at());
  const std::uint64_t a_page = usable - kPageNumberBytes;
  cell.value.overflow_pages = (payload - local) / a_page + ((payload - local) % a_page != 0);
  return cell;
}

std::uint32_t lock_byte_page(std::uint32_t page_size_bytes) noexcept {
  return static_cast<std::uint32_t>(kLockByteOffset / page_size_bytes) + 1;
}

std::uint32_t pointer_map_page_of(std::uint32_t page, const PageLayout& layout) noexcept {
  if (page < 2) return 0;
  // As ptrmapPageno() in btree.c.
  const auto step = static_cast<std::uint32_t>(layout.usable_bytes() / kPointerMapEntryBytes + 1);
  const std::uint32_t map = (page - 2) / step * step + 2;
  return map == lock_byte_page(layout.size_bytes) ? map + 1 : map;
}

std::size_t pointer_map_offset_of(std::uint32_t page, const PageLayout& layout) noexcept {
  return kPointerMapEntryBytes * (page - pointer_map_page_of(page, layout) - 1);
}

}  // namespace sqlbk::format
