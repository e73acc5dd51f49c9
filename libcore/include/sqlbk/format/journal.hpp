// The header of a rollback journal, the `-journal` file (fileformat2.html, section 3;
// writeJournalHdr() and readSuperJournal() in pager.c). Pure: bytes in, struct out.
// Thread-safety: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sqlbk/format/bytes.hpp"

namespace sqlbk::format {

inline constexpr std::size_t kJournalHeaderSizeBytes = 28;
// Behind the file name of a super-journal: length, checksum, magic.
inline constexpr std::size_t kSuperJournalTailSizeBytes = 16;
inline constexpr std::array<std::uint8_t, 8> kJournalMagic{0xd9, 0xd5, 0x05, 0xf9,
                                                           0x20, 0xa1, 0x63, 0xd7};
// The record count that says "count them from the file size" (written with synchronous=OFF).
inline constexpr std::uint32_t kJournalCountFromSize = 0xffffffff;

enum class JournalState {
  inactive,  // absent, empty, or the first byte is 0: finalised, or not yet synced
  active,    // first byte is not 0: hot, unless a writer holds RESERVED (hasHotJournal())
};

enum class JournalHeaderIssue {
  none,
  inactive,
  too_short,
  bad_magic,
  bad_sector_size,
  bad_page_size,
};
std::string_view to_string(JournalHeaderIssue issue) noexcept;

struct JournalHeader {
  std::uint32_t record_count = 0;
  std::uint32_t nonce = 0;
  std::uint32_t initial_size_pages = 0;
  std::uint32_t sector_size_bytes = 0;
  std::uint32_t page_size_bytes = 0;  // 0 in journals of old SQLite versions: as the database
};

using ParsedJournalHeader = Parsed<JournalHeader, JournalHeaderIssue>;

// `bytes`: the start of the journal; empty for an absent or empty file.
JournalState journal_state(Bytes bytes) noexcept;
ParsedJournalHeader parse_journal_header(Bytes bytes) noexcept;

// `tail`: the last bytes of the journal file, 16 or more if it has so many. True if they name a
// super-journal: whether this journal is hot then depends on another file. The name's checksum is
// not looked at: SQLite rolls back where it is wrong, sqlbk refuses either way.
bool names_super_journal(Bytes tail) noexcept;

}  // namespace sqlbk::format
