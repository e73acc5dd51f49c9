// The 32 header bytes of the `-wal` of a live source: equal bytes are the same generation.
// Thread-safety: as LiveFiles. On failure throws Error.
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "sqlbk/core/live_files.hpp"
#include "sqlbk/format/wal.hpp"

namespace sqlbk {

using WalHeaderBytes = std::array<std::byte, format::kWalHeaderSizeBytes>;

// The header of the `-wal` that the path names now; nullopt: none, or shorter than a header.
std::optional<WalHeaderBytes> wal_header_by_path(LiveFiles& files);

}  // namespace sqlbk
