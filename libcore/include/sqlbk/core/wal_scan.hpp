// How much of a WAL counts: read from its start, by the checksums or by the wal-index.
// For authors of strategies. Thread-safety: one thread at a time. On failure throws Error.
#pragma once

#include <cstdint>
#include <string>

#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/staged_image.hpp"
#include "sqlbk/format/wal.hpp"

namespace sqlbk {

// How far the checksum chain of a WAL reaches.
struct WalScan {
  format::ParsedWalHeader header;
  WalPrefix committed;             // up to the last commit frame, K
  std::uint64_t valid_frames = 0;  // V: may lie behind K
  // The slot behind V begins with a frame header whose salts are 0,0, wholly or partly there: a
  // frame that SQLite before 3.50 may have committed without a checksum (bug Z).
  bool zero_salts_follow = false;
};

// Reads `wal_fd` from its start. An invalid header gives no frames, as in SQLite.
WalScan scan_wal(int wal_fd, const std::string& path, RunContext& context);

// Whether the frame header at `offset` carries the salts 0,0, as far as it is there.
bool slot_has_zero_salts(int wal_fd, const std::string& path, std::uint64_t offset);

// The prefix of exactly `frames` frames that the wal-index vouches for: checksums are not looked
// at, but frame `frames` must be there and be a commit, with `size_pages` (bug Z).
WalPrefix prefix_vouched_by_index(int wal_fd, const std::string& path,
                                  const format::WalHeader& header, std::uint64_t frames,
                                  std::uint32_t size_pages);

}  // namespace sqlbk
