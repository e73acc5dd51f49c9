#include "sqlbk/format/journal.hpp"

namespace sqlbk::format {

std::string_view to_string(JournalHeaderIssue issue) noexcept {
  switch (issue) {
    case JournalHeaderIssue::none:
      return "valid";
    case JournalHeaderIssue::inactive:
      return "inactive";
    case JournalHeaderIssue::too_short:
      return "shorter than the 28-byte journal header";
    case JournalHeaderIssue::bad_magic:
      return "wrong magic number";
    case JournalHeaderIssue::bad_sector_size:
      return "sector size is not a power of two from 32 to 65536";
    case JournalHeaderIssue::bad_page_size:
      return "page size is not a power of two from 512 to 65536";
  }
  return "unknown";
}

JournalState journal_state(Bytes bytes) noexcept {
  return bytes.empty() || read_u8(bytes, 0) == 0 ? JournalState::inactive : JournalState::active;
}

ParsedJournalHeader parse_journal_header(Bytes bytes) noexcept {
  ParsedJournalHeader parsed;
  JournalHeader& header = parsed.value;
  const auto fail = [&parsed](JournalHeaderIssue issue) {
    parsed.issue = issue;
    return parsed;
  };
  if (journal_state(bytes) == JournalState::inactive) return fail(JournalHeaderIssue::inactive);
  if (bytes.size() < kJournalHeaderSizeBytes) return fail(JournalHeaderIssue::too_short);
  if (std::memcmp(bytes.data(), kJournalMagic.data(), kJournalMagic.size()) != 0) {
    return fail(JournalHeaderIssue::bad_magic);
  }
  header.record_count = read_be32(bytes, 8);
  header.nonce = read_be32(bytes, 12);
  header.initial_size_pages = read_be32(bytes, 16);
  header.sector_size_bytes = read_be32(bytes, 20);
  header.page_size_bytes = read_be32(bytes, 24);
  // The bounds of readJournalHdr(): a sector is at least 32 and at most 65536 bytes.
  if (header.sector_size_bytes < 32 || header.sector_size_bytes > 65536 ||
      (header.sector_size_bytes & (header.sector_size_bytes - 1)) != 0) {
    return fail(JournalHeaderIssue::bad_sector_size);
  }
  if (header.page_size_bytes != 0 && !is_valid_page_size(header.page_size_bytes)) {
    return fail(JournalHeaderIssue::bad_page_size);
  }
  return parsed;
}

bool names_super_journal(Bytes tail) noexcept {
  if (tail.size() < kSuperJournalTailSizeBytes) return false;
  const Bytes end = tail.last(kSuperJournalTailSizeBytes);
  return std::memcmp(end.data() + 8, kJournalMagic.data(), kJournalMagic.size()) == 0 &&
         read_be32(end, 0) != 0;
}

}  // namespace sqlbk::format
