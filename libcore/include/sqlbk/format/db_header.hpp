// The first 100 bytes of a SQLite database: page 1's header (fileformat2.html, section 1.3).
// Pure: bytes in, struct out. Thread-safety: pure functions. Nothing here opens a file or throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sqlbk/format/bytes.hpp"

namespace sqlbk::format {

inline constexpr std::size_t kDbHeaderSizeBytes = 100;
inline constexpr std::string_view kDbMagic{"SQLite format 3\0", 16};
// Offsets that more than one part of sqlbk needs.
inline constexpr std::size_t kDbWriteVersionOffset = 18;
inline constexpr std::size_t kDbReadVersionOffset = 19;
inline constexpr std::size_t kDbChangeCounterOffset = 24;
// SQLite never uses the page that holds the lock bytes at 1 GiB; its content is undefined.
inline constexpr std::uint64_t kLockByteOffset = 0x40000000;

enum class DbHeaderIssue {
  none,
  too_short,         // fewer than 100 bytes
  bad_magic,         // not "SQLite format 3\0": another format, or encrypted
  bad_page_size,     // not a power of two from 512 to 65536
  bad_read_version,  // read version > 2: another branch of SQLite (wal2, hctree)
  bad_reserved,      // fewer than 480 usable bytes a page
  bad_fractions,     // bytes 21..23 are not 64, 32, 32
};
std::string_view to_string(DbHeaderIssue issue) noexcept;

struct DbHeader {
  std::uint32_t page_size_bytes = 0;
  std::uint8_t write_version = 0;  // 1 rollback journal, 2 WAL
  std::uint8_t read_version = 0;
  std::uint8_t reserved_bytes = 0;  // at the end of each page; 8 may mean the cksumvfs extension
  std::uint32_t change_counter = 0;
  std::uint32_t size_pages = 0;  // see has_valid_size()
  std::uint32_t freelist_pages = 0;
  std::uint32_t schema_cookie = 0;
  std::uint32_t schema_format = 0;     // 1 to 4; 0 no schema yet
  std::uint32_t auto_vacuum_root = 0;  // non-zero: auto_vacuum or incremental_vacuum
  std::uint32_t text_encoding = 0;     // 1 UTF-8, 2 UTF-16le, 3 UTF-16be, 0 no schema yet
  std::uint32_t user_version = 0;
  std::uint32_t incremental_vacuum = 0;
  std::uint32_t application_id = 0;
  std::uint32_t version_valid_for = 0;
  std::uint32_t sqlite_version = 0;  // SQLITE_VERSION_NUMBER of the last writer that changed page 1

  // size_pages counts only where the last writer kept it up to date (lockBtree() in btree.c).
  bool has_valid_size() const noexcept {
    return size_pages != 0 && change_counter == version_valid_for;
  }
  bool says_wal() const noexcept { return read_version == 2; }
};

using ParsedDbHeader = Parsed<DbHeader, DbHeaderIssue>;

// `bytes`: the start of the main file, at least 100 bytes for an answer other than too_short.
ParsedDbHeader parse_db_header(Bytes bytes) noexcept;

}  // namespace sqlbk::format
