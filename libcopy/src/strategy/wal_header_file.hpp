// The 32 header bytes of a live WAL, by path. Private to libcopy.
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "sqlbk/core/live_files.hpp"
#include "sqlbk/format/wal.hpp"

namespace sqlbk::copy {

using WalHeaderBytes = std::array<std::byte, format::kWalHeaderSizeBytes>;

// The header of the `-wal` that the path names now; nullopt: none, or shorter than a header.
inline std::optional<WalHeaderBytes> wal_header_by_path(LiveFiles& files) {
  files.refresh(SourceFile::wal);
  WalHeaderBytes bytes{};
  if (files.read(SourceFile::wal, bytes, 0) < bytes.size()) return std::nullopt;
  // Asked after the read: it was the right file when it was read.
  if (!files.is_current(SourceFile::wal)) return std::nullopt;
  return bytes;
}

inline format::ParsedWalHeader parse(const std::optional<WalHeaderBytes>& bytes) {
  return format::parse_wal_header(bytes ? format::Bytes(*bytes) : format::Bytes());
}

}  // namespace sqlbk::copy
