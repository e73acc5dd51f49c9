// The journal header and the super-journal's tail against readJournalHdr() and readSuperJournal()
// of SQLite's pager.c, written down once more.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "invariant.hpp"
#include "sqlbk/format/journal.hpp"

using namespace sqlbk::format;

namespace {

constexpr std::uint8_t kMagic[8] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};

std::uint32_t word(const std::uint8_t* p) {
  return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | p[3];
}

bool sqlite_takes(const std::uint8_t* header) {
  if (std::memcmp(header, kMagic, 8) != 0) return false;
  const std::uint32_t sector = word(header + 20);
  const std::uint32_t page = word(header + 24) == 0 ? 512 : word(header + 24);
  return page >= 512 && sector >= 32 && page <= 65536 && sector <= 0x10000 &&
         ((page - 1) & page) == 0 && ((sector - 1) & sector) == 0;
}

void check(std::span<const std::uint8_t> data) {
  const Bytes bytes = std::as_bytes(data);
  const bool is_active = !data.empty() && data[0] != 0;
  SQLBK_INVARIANT((journal_state(bytes) == JournalState::active) == is_active);
  const ParsedJournalHeader parsed = parse_journal_header(bytes);
  SQLBK_INVARIANT((parsed.issue == JournalHeaderIssue::inactive) == !is_active);
  SQLBK_INVARIANT((parsed.issue == JournalHeaderIssue::too_short) ==
                  (is_active && data.size() < 28));
  SQLBK_INVARIANT(to_string(parsed.issue) != "unknown");
  if (data.size() >= 28) {
    SQLBK_INVARIANT(static_cast<bool>(parsed) == sqlite_takes(data.data()));
  }
  if (parsed) {
    SQLBK_INVARIANT(parsed->record_count == word(&data[8]));
    SQLBK_INVARIANT(parsed->nonce == word(&data[12]));
    SQLBK_INVARIANT(parsed->initial_size_pages == word(&data[16]));
    SQLBK_INVARIANT(parsed->page_size_bytes == 0 || is_valid_page_size(parsed->page_size_bytes));
  }
  const bool names = names_super_journal(bytes);
  if (data.size() < 16) {
    SQLBK_INVARIANT(!names);
    return;
  }
  const std::uint8_t* tail = data.data() + data.size() - 16;
  SQLBK_INVARIANT(names == (word(tail) != 0 && std::memcmp(tail + 8, kMagic, 8) == 0));
  SQLBK_INVARIANT(names == names_super_journal(bytes.last(16)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check(std::span(data, size));
  // The same under the right magic at both ends.
  std::vector<std::uint8_t> likely(data, data + size);
  if (size >= 8) std::copy_n(kMagic, 8, likely.begin());
  check(likely);
  likely.insert(likely.end(), std::begin(kMagic), std::end(kMagic));
  check(likely);
  return 0;
}
