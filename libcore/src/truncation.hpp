// What is said of a main file that is shorter than its header says. Private to libcore.
#pragma once

#include <cstdint>
#include <string>

#include "sqlbk/format/db_header.hpp"

namespace sqlbk {

inline std::string truncation(const format::DbHeader& header, std::uint64_t size_bytes) {
  return "the database is truncated: its header says " + std::to_string(header.size_pages) +
         " pages of " + std::to_string(header.page_size_bytes) + " bytes, the file has " +
         std::to_string(size_bytes) + " bytes";
}

}  // namespace sqlbk
