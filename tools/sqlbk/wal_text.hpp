// Words for parts of a WAL, the same in text and JSON.
#pragma once

#include <array>
#include <cstdio>
#include <string>

#include "sqlbk/format/wal.hpp"

namespace sqlbk::tool {

// Salts as eight hexadecimal digits each, as in the report of a copy.
inline std::string to_string(const format::WalSalt& salt) {
  std::array<char, 20> text{};
  static_cast<void>(std::snprintf(text.data(), text.size(), "%08x-%08x", salt.salt1, salt.salt2));
  return text.data();
}

}  // namespace sqlbk::tool
