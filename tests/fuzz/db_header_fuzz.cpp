// The database header against lockBtree() of SQLite's btree.c, written down once more.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "invariant.hpp"
#include "sqlbk/format/db_header.hpp"

using namespace sqlbk::format;

namespace {

bool sqlite_takes(const std::uint8_t* page1) {
  if (std::memcmp(page1, "SQLite format 3", 16) != 0) return false;
  if (page1[19] > 2) return false;
  if (page1[21] != 64 || page1[22] != 32 || page1[23] != 32) return false;
  const std::uint32_t page_size = static_cast<std::uint32_t>(page1[16] << 8 | page1[17] << 16);
  if (((page_size - 1) & page_size) != 0 || page_size > 65536 || page_size <= 256) return false;
  return page_size - page1[20] >= 480;
}

void check(std::span<const std::uint8_t> data) {
  const ParsedDbHeader parsed = parse_db_header(std::as_bytes(data));
  SQLBK_INVARIANT((parsed.issue == DbHeaderIssue::too_short) == (data.size() < 100));
  SQLBK_INVARIANT(!to_string(parsed.issue).empty() && to_string(parsed.issue) != "unknown");
  if (data.size() < 100) return;
  SQLBK_INVARIANT(static_cast<bool>(parsed) == sqlite_takes(data.data()));
  if (!parsed) return;
  SQLBK_INVARIANT(is_valid_page_size(parsed->page_size_bytes));
  SQLBK_INVARIANT(parsed->page_size_bytes - parsed->reserved_bytes >= 480);
  SQLBK_INVARIANT(!parsed->has_valid_size() || std::memcmp(&data[24], &data[92], 4) == 0);
  SQLBK_INVARIANT(parsed->says_wal() == (data[19] == 2));
  // Nothing behind the header is looked at.
  SQLBK_INVARIANT(parse_db_header(std::as_bytes(data.first(100))).value.sqlite_version ==
                  parsed->sqlite_version);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span input(data, size);
  check(input);
  // The same under the right magic and fractions, which a fuzzer does not guess.
  if (size < 100) return 0;
  std::array<std::uint8_t, 100> likely{};
  std::copy_n(data, likely.size(), likely.begin());
  std::memcpy(likely.data(), "SQLite format 3", 16);
  check(likely);
  likely[21] = 64;
  likely[22] = likely[23] = 32;
  check(likely);
  return 0;
}
