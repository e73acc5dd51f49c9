#include "sqlbk/format/db_header.hpp"

namespace sqlbk::format {

std::string_view to_string(DbHeaderIssue issue) noexcept {
  switch (issue) {
    case DbHeaderIssue::none:
      return "valid";
    case DbHeaderIssue::too_short:
      return "is shorter than the 100-byte database header";
    case DbHeaderIssue::bad_magic:
      return "does not start with \"SQLite format 3\"";
    case DbHeaderIssue::bad_page_size:
      return "page size is not a power of two from 512 to 65536";
    case DbHeaderIssue::bad_read_version:
      return "read version is above 2";
    case DbHeaderIssue::bad_reserved:
      return "fewer than 480 usable bytes on a page";
    case DbHeaderIssue::bad_fractions:
      return "payload fractions are not 64, 32, 32";
  }
  return "unknown";
}

ParsedDbHeader parse_db_header(Bytes bytes) noexcept {
  ParsedDbHeader parsed;
  DbHeader& header = parsed.value;
  const auto fail = [&parsed](DbHeaderIssue issue) {
    parsed.issue = issue;
    return parsed;
  };
  if (bytes.size() < kDbHeaderSizeBytes) return fail(DbHeaderIssue::too_short);
  if (std::memcmp(bytes.data(), kDbMagic.data(), kDbMagic.size()) != 0) {
    return fail(DbHeaderIssue::bad_magic);
  }
  // The stored value 1 stands for 65536, which does not fit into 16 bits.
  const std::uint32_t stored_page_size = read_be16(bytes, 16);
  header.page_size_bytes = stored_page_size == 1 ? 65536 : stored_page_size;
  if (!is_valid_page_size(header.page_size_bytes)) return fail(DbHeaderIssue::bad_page_size);
  header.write_version = read_u8(bytes, kDbWriteVersionOffset);
  header.read_version = read_u8(bytes, kDbReadVersionOffset);
  // SQLite takes 0 as 1 (lockBtree() in btree.c).
  if (header.read_version > 2) return fail(DbHeaderIssue::bad_read_version);
  header.reserved_bytes = read_u8(bytes, 20);
  if (header.page_size_bytes - header.reserved_bytes < 480) {
    return fail(DbHeaderIssue::bad_reserved);
  }
  if (read_u8(bytes, 21) != 64 || read_u8(bytes, 22) != 32 || read_u8(bytes, 23) != 32) {
    return fail(DbHeaderIssue::bad_fractions);
  }
  header.change_counter = read_be32(bytes, kDbChangeCounterOffset);
  header.size_pages = read_be32(bytes, 28);
  header.freelist_pages = read_be32(bytes, 36);
  header.schema_cookie = read_be32(bytes, 40);
  header.schema_format = read_be32(bytes, 44);
  header.auto_vacuum_root = read_be32(bytes, 52);
  header.text_encoding = read_be32(bytes, 56);
  header.user_version = read_be32(bytes, 60);
  header.incremental_vacuum = read_be32(bytes, 64);
  header.application_id = read_be32(bytes, 68);
  header.version_valid_for = read_be32(bytes, 92);
  header.sqlite_version = read_be32(bytes, 96);
  return parsed;
}

}  // namespace sqlbk::format
