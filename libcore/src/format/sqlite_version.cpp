#include "sqlbk/format/sqlite_version.hpp"

namespace sqlbk::format {

std::string version_text(std::uint32_t sqlite_version) {
  if (sqlite_version == 0) return "";
  return std::to_string(sqlite_version / 1'000'000) + '.' +
         std::to_string(sqlite_version / 1000 % 1000) + '.' + std::to_string(sqlite_version % 1000);
}

}  // namespace sqlbk::format
