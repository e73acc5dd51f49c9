#include "verify/table_hash.hpp"

#include <cstring>
#include <span>

#include <sqlite3.h>

#include "sha256.hpp"

namespace sqlbk::checkpoint {
namespace {

// Type, length and bytes, so that no two rows look the same.
void add_value(Sha256& hash, char type, const void* bytes, std::size_t size) {
  std::array<std::byte, 9> head{};
  head[0] = static_cast<std::byte>(type);
  const std::uint64_t length = size;
  std::memcpy(head.data() + 1, &length, sizeof length);
  hash.update(head);
  if (size != 0) hash.update(std::span(static_cast<const std::byte*>(bytes), size));
}

void add_column(Sha256& hash, sqlite3_stmt* row, int column) {
  switch (sqlite3_column_type(row, column)) {
    case SQLITE_NULL:
      add_value(hash, 'N', nullptr, 0);
      return;
    case SQLITE_INTEGER: {
      const sqlite3_int64 value = sqlite3_column_int64(row, column);
      add_value(hash, 'I', &value, sizeof value);
      return;
    }
    case SQLITE_FLOAT: {
      const double value = sqlite3_column_double(row, column);
      add_value(hash, 'F', &value, sizeof value);
      return;
    }
    case SQLITE_TEXT: {
      const void* const text = sqlite3_column_text(row, column);
      add_value(hash, 'T', text, static_cast<std::size_t>(sqlite3_column_bytes(row, column)));
      return;
    }
    default: {
      const void* const blob = sqlite3_column_blob(row, column);
      add_value(hash, 'B', blob, static_cast<std::size_t>(sqlite3_column_bytes(row, column)));
    }
  }
}

}  // namespace

std::string sql_name(const std::string& name) {
  std::string quoted = "\"";
  for (const char c : name) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

TableHash hash_table(sqlite::Connection& connection, const std::string& table, RunContext& context,
                     std::vector<std::uint64_t>* each) {
  TableHash result;
  Sha256 hash;
  sqlite::Statement rows(connection, "SELECT * FROM " + sql_name(table));
  const int columns = sqlite3_column_count(rows.handle());
  while (rows.step()) {
    for (int i = 0; i < columns; ++i) add_column(hash, rows.handle(), i);
    const std::array<std::byte, 32> digest = hash.take();
    std::array<std::uint64_t, 4> words{};
    std::memcpy(words.data(), digest.data(), digest.size());
    for (std::size_t i = 0; i < words.size(); ++i) result.sum[i] += words[i];
    if (each != nullptr) each->push_back(words[0]);
    if (++result.rows % 1024 == 0) context.tick();
  }
  return result;
}

}  // namespace sqlbk::checkpoint
