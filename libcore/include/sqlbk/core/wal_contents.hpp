// What a `-wal` holds, also while somebody writes to it: read from the source's descriptor, no
// lock, memory for one batch of frames, time in proportion to the file's size. For reports: a
// strategy scans its own copy instead (scan_wal() in wal_scan.hpp). Thread-safety: as LiveFiles.
#pragma once

#include <cstdint>
#include <optional>

#include "sqlbk/core/live_files.hpp"
#include "sqlbk/format/db_header.hpp"
#include "sqlbk/format/wal.hpp"

namespace sqlbk {

// Terms: docs/formats/wal.md.
struct WalContents {
  format::ParsedWalHeader header;  // where it is not valid, nothing else is filled in
  std::uint64_t valid_frames = 0;
  std::uint64_t commits = 0;
  std::uint64_t committed_frames = 0;      // K
  std::uint32_t committed_size_pages = 0;  // of the database after frame K
  // Page 1 as of frame K, if it is among the committed frames: newer than main's.
  std::optional<format::DbHeader> db_header;

  // Whole frames behind the valid prefix, by the salts that they carry.
  std::uint64_t unchained_frames = 0;  // this generation's, but the chain is broken before them
  std::uint64_t zero_salt_frames = 0;  // bug Z, or an open transaction
  std::uint64_t older_frames = 0;      // left from an earlier generation
  bool has_torn_frame = false;     // the slot behind the prefix is this generation's, or cut off
  bool zero_salts_follow = false;  // as in WalScan

  // False: it was reset again and again while it was read, and the figures may mix generations.
  bool is_settled = true;
};

WalContents read_wal_contents(LiveFiles& files);

}  // namespace sqlbk
