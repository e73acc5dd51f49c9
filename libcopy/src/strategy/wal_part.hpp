// Judging the copied WAL, the same for all strategies. Private to libcopy.
#pragma once

#include <cstdint>
#include <optional>

#include "sqlbk/core/evidence.hpp"
#include "sqlbk/core/staged_image.hpp"
#include "sqlbk/core/wal_scan.hpp"
#include "sqlbk/format/wal_index.hpp"

namespace sqlbk::copy {

// What the wal-index said of the WAL, while a connection was attached.
using LiveIndex = std::optional<format::WalIndexHeader>;

// " (last changed by SQLite 3.40.1)", by the header of a main file; "" where it does not say.
std::string writer_version(int main_fd, const std::string& path);

// What the evidence says of a WAL.
WalPosition position_of(const WalScan& scan, const LiveIndex& index);

// Frames that are not in main yet are in the WAL with the index's salts. Throws source_changed
// where this is another one, or none (`header` is not valid).
void require_wal_of_index(const format::ParsedWalHeader& header, const LiveIndex& index,
                          const std::string& source);

// Throws frames_without_checksum where frames that may be committed lie behind the prefix that
// checksums vouch for (bug Z), by the index or by their zero salts. REQUIRES: scan.header.
void require_checksums(const WalScan& scan, const LiveIndex& index, int main_fd,
                       const std::string& main_path, const std::string& source);

// Without a lock: the committed prefix of the image's WAL must reach the index's mxFrame, and no
// frame with zero salts may follow the valid prefix (bug Z). Sets the image's wal_prefix, or drops
// a WAL without a valid header. Throws frames_without_checksum, and what require_wal_of_index()
// does.
WalPosition judge_wal(StagedImage& image, const WalScan& scan, const LiveIndex& index,
                      const std::string& source);

}  // namespace sqlbk::copy
