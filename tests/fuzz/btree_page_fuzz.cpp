// A page of a b-tree: the parts of each cell lie on the page, and what it refers to is what stands
// there.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "invariant.hpp"
#include "sqlbk/format/btree_page.hpp"

using namespace sqlbk::format;

namespace {

void check(Bytes page, const PageLayout& layout, bool is_first) {
  const ParsedBtreePage parsed = parse_btree_page(page, layout, is_first);
  SQLBK_INVARIANT(!to_string(parsed.issue).empty() && to_string(parsed.issue) != "unknown");
  if (!parsed) return;
  SQLBK_INVARIANT(parsed->first_pointer + 2U * parsed->cells <= layout.usable_bytes());
  for (std::uint32_t i = 0; i < parsed->cells; ++i) {
    const ParsedBtreeCell cell = parse_btree_cell(page, layout, *parsed, i);
    if (!cell) continue;
    const std::size_t at = read_be16(page, parsed->first_pointer + 2U * i);
    SQLBK_INVARIANT(at < layout.usable_bytes());
    if (parsed->is_leaf()) SQLBK_INVARIANT(cell->left_child == 0);
    if (!parsed->is_leaf()) SQLBK_INVARIANT(cell->left_child == read_be32(page, at));
    if (parsed->is_table() && !parsed->is_leaf()) SQLBK_INVARIANT(cell->overflow_pages == 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span input(data, size);
  const auto reserved = static_cast<std::uint32_t>(data[0] % 33);
  const Bytes page = std::as_bytes(input.subspan(1));
  check(page, {512, reserved}, false);
  // A page of the right size, which a fuzzer seldom makes.
  std::vector<std::byte> whole(page.begin(), page.end());
  whole.resize(512);
  for (const int kind : {2, 5, 10, 13}) {
    whole[0] = static_cast<std::byte>(kind);
    check(whole, {512, reserved}, false);
    whole[100] = static_cast<std::byte>(kind);
    check(whole, {512, reserved}, true);
  }
  return 0;
}
