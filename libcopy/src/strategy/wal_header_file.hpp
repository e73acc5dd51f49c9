// The header of a live WAL, parsed. Private to libcopy.
#pragma once

#include <optional>

#include "sqlbk/core/wal_header_file.hpp"

namespace sqlbk::copy {

inline format::ParsedWalHeader parse(const std::optional<WalHeaderBytes>& bytes) {
  return format::parse_wal_header(bytes ? format::Bytes(*bytes) : format::Bytes());
}

}  // namespace sqlbk::copy
