#include "kit/corpus.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/sqlite.hpp"

namespace sqlbk::kit {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1024} * 1024;
constexpr std::uint64_t kWriter = 1;

std::uint64_t size_of(const std::string& path) {
  std::error_code problem;
  const std::uintmax_t size = std::filesystem::file_size(path, problem);
  if (problem) throw system_error("read the size of", path, problem.value());
  return size;
}

// Rows of 200 to 600 bytes until the file has `pages` pages.
void add_table(sqlite::Connection& connection, std::uint32_t number, bool index,
               std::int64_t pages) {
  const std::string name = "extra_" + std::to_string(number);
  connection.execute("CREATE TABLE " + name +
                     " (id INTEGER PRIMARY KEY, key INTEGER NOT NULL, payload BLOB NOT NULL)");
  if (index) connection.execute("CREATE INDEX " + name + "_key ON " + name + " (key)");
  sqlite::Statement insert(connection,
                           "INSERT INTO " + name + " VALUES (?1, ?2, pattern(?1, ?2, ?3))");
  sqlite::Statement page_count(connection, "PRAGMA page_count");
  for (std::int64_t id = 1;; ++id) {
    const auto key = static_cast<std::int64_t>(mix_pair(id, number) >> 1U);
    insert.bind(1, id).bind(2, key).bind(3, 200 + key % 400);
    static_cast<void>(insert.step());
    insert.reset();
    page_count.step();
    const std::int64_t now = page_count.integer(0);
    page_count.reset();
    if (now >= pages) return;
  }
}

void add_tables(const std::string& path, const CorpusOptions& options) {
  sqlite::Connection connection(path, sqlite::OpenMode::read_write);
  register_pattern_function(connection);
  connection.execute(
      "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
      " PRAGMA cache_size = -65536; BEGIN EXCLUSIVE");
  const std::int64_t begin = connection.integer("PRAGMA page_count");
  const std::int64_t end =
      static_cast<std::int64_t>(options.database.size_mb * kMiB / options.database.page_size);
  for (std::uint32_t i = 1; i <= options.extra_tables; ++i) {
    add_table(connection, i, options.indexes, begin + (end - begin) * i / options.extra_tables);
  }
  connection.execute("COMMIT");
  if (options.database.journal_mode == JournalMode::wal) {
    connection.execute("PRAGMA journal_mode = WAL");
  }
}

std::uint64_t grow_wal(const std::string& path, const CorpusOptions& options) {
  sqlite::Connection connection(path, sqlite::OpenMode::read_write);
  connection.disable_checkpoint_on_close();
  connection.execute(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
      " PRAGMA wal_autocheckpoint = 0");
  TransactionOptions transaction;
  transaction.rows = 500;
  std::uint64_t committed = 0;
  {
    Workload workload(connection, kWriter, transaction, options.database.seed);
    do {
      workload.run();
    } while (size_of(path + "-wal") < options.wal_mb * kMiB);
    committed = workload.committed();
  }
  connection.close();
  return committed;
}

}  // namespace

Corpus make_corpus(const std::string& path, const CorpusOptions& options) {
  DatabaseOptions database = options.database;
  database.size_mb /= options.extra_tables + 1;
  create_database(path, database);
  if (options.extra_tables != 0) add_tables(path, options);
  Corpus corpus{path, 0, 0, {}};
  if (options.wal_mb != 0) {
    corpus.committed.push_back({kWriter, grow_wal(path, options)});
    corpus.wal_bytes = size_of(path + "-wal");
  }
  corpus.main_bytes = size_of(path);
  return corpus;
}

}  // namespace sqlbk::kit
