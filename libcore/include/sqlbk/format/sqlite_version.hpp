// The SQLite version that a database header names, and what is known of it. Only writers leave
// their version there, and the last one that changed page 1; whoever has the database open may be
// another. Pure. Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <string>

namespace sqlbk::format {

// 3040001 as "3.40.1"; "" for 0: written before 3.7.0, or by another program.
std::string version_text(std::uint32_t sqlite_version);

// Versions that may commit WAL frames without salts and checksums, which recovery and copies by
// the file alone cannot see (docs/formats/wal.md, "Frames without salts").
inline constexpr bool may_commit_without_checksums(std::uint32_t sqlite_version) {
  return sqlite_version >= 3'011'000 && sqlite_version <= 3'049'002;
}

// Versions with the WAL-reset bug: two connections that checkpoint at the same moment as a third
// resets the WAL may, rarely, damage the database (https://www.sqlite.org/wal.html). Fixed in
// 3.51.3, and in the maintenance releases 3.44.6 and 3.50.7.
inline constexpr bool has_wal_reset_bug(std::uint32_t sqlite_version) {
  const bool is_maintained = (sqlite_version >= 3'044'006 && sqlite_version < 3'045'000) ||
                             (sqlite_version >= 3'050'007 && sqlite_version < 3'051'000);
  return sqlite_version >= 3'007'000 && sqlite_version < 3'051'003 && !is_maintained;
}

}  // namespace sqlbk::format
