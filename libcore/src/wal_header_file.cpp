#include "sqlbk/core/wal_header_file.hpp"

namespace sqlbk {

std::optional<WalHeaderBytes> wal_header_by_path(LiveFiles& files) {
  files.refresh(SourceFile::wal);
  WalHeaderBytes bytes{};
  if (files.read(SourceFile::wal, bytes, 0) < bytes.size()) return std::nullopt;
  // Asked after the read: it was the right file when it was read.
  if (!files.is_current(SourceFile::wal)) return std::nullopt;
  return bytes;
}

}  // namespace sqlbk
