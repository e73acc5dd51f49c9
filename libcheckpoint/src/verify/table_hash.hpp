// The content of a table as a number that does not depend on the order of its rows, as SQLite's
// dbhash has one for whole databases. Private to libcheckpoint.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/sqlite.hpp"

namespace sqlbk::checkpoint {

struct TableHash {
  std::uint64_t rows = 0;
  // The sums of the words of each row's SHA-256.
  std::array<std::uint64_t, 4> sum{};
  friend bool operator==(const TableHash&, const TableHash&) = default;
};

// Over the columns that are there to be read; a rowid without a name is no content. If `each` is
// given, it gets a number of 64 bits for each row.
TableHash hash_table(sqlite::Connection& connection, const std::string& table, RunContext& context,
                     std::vector<std::uint64_t>* each = nullptr);

// "name", with quotes doubled, for SQL.
std::string sql_name(const std::string& name);

}  // namespace sqlbk::checkpoint
