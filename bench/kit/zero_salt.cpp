#include "kit/zero_salt.hpp"

#include <array>
#include <cstddef>
#include <fstream>
#include <utility>

#include <sqlite3.h>

#include "sqlbk/core/error.hpp"
#include "sqlbk/format/wal.hpp"

namespace sqlbk::kit {
namespace {

constexpr int kFirstSoundVersion = 3'050'000;

// Frames are written by the spills of the first UPDATE and overwritten by those of the second. The
// lowest overwritten one must not lie before the savepoint: checksums are rebuilt from there on,
// and the bug would mend itself.
void run_transaction(sqlite::Connection& connection, ZeroSaltVariant variant) {
  connection.execute("BEGIN");
  switch (variant) {
    case ZeroSaltVariant::plain:
    case ZeroSaltVariant::first_of_generation:
      connection.execute(
          "SAVEPOINT s; UPDATE a SET v = 3; UPDATE a SET v = 4 WHERE id > 300;"
          "ROLLBACK TO s; RELEASE s");
      break;
    case ZeroSaltVariant::spilled_before_savepoint:
      connection.execute(
          "UPDATE a SET v = 1 WHERE id <= 100;"
          "SAVEPOINT s; UPDATE a SET v = 3 WHERE id > 100; UPDATE a SET v = 4 WHERE id > 300;"
          "ROLLBACK TO s; RELEASE s");
      break;
    case ZeroSaltVariant::failed_statement:
      try {
        connection.execute("UPDATE a SET v = 9");
        throw Error(Errc::sqlite_error, "the statement that was to fail did not");
      } catch (const Error& error) {
        if ((error.sqlite_extended_code() & 0xff) != SQLITE_CONSTRAINT) throw;
      }
      break;
  }
  connection.execute("UPDATE a SET v = 7 WHERE id = 400; COMMIT");
}

}  // namespace

std::int64_t zero_salt_live_sum(ZeroSaltVariant variant) noexcept {
  return variant == ZeroSaltVariant::spilled_before_savepoint ? 100 + 7 : 7;
}

void run_zero_salt_recipe(sqlite::Connection& connection, ZeroSaltVariant variant) {
  connection.execute(
      "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
      "PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = 10;"
      "CREATE TABLE a (id INTEGER PRIMARY KEY, v INTEGER NOT NULL, pad BLOB NOT NULL);"
      "CREATE TRIGGER refuse BEFORE UPDATE ON a WHEN new.id = 400 AND new.v = 9"
      " BEGIN UPDATE a SET v = 8 WHERE id > 300; SELECT raise(ABORT, 'refused'); END;"
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)"
      " INSERT INTO a SELECT i, 0, zeroblob(900) FROM n;");
  if (variant == ZeroSaltVariant::first_of_generation) {
    // The next transaction starts a generation, and its commit cuts off what is left of the last.
    connection.execute("PRAGMA journal_size_limit = 0; PRAGMA wal_checkpoint(RESTART)");
  }
  run_transaction(connection, variant);
  const std::int64_t sum = connection.integer("SELECT sum(v) FROM a");
  if (sum != zero_salt_live_sum(variant)) {
    throw Error(Errc::damaged, "the recipe left the sum " + std::to_string(sum) + " in " +
                                   quoted(connection.path()));
  }
}

WriterProcess make_zero_salt_wal(const std::string& path, ZeroSaltVariant variant,
                                 LockingMode locking, const Launch& launch) {
  LiveWriterOptions options;
  options.database = path;
  options.role = Role::zero_salt;
  options.variant = variant;
  options.locking = locking;
  options.keep_wal = true;
  return WriterProcess(std::move(options), launch);
}

WalSurvey survey_wal(const std::string& wal_path) {
  std::ifstream wal(wal_path, std::ios::binary);
  std::vector<char> bytes(format::kWalHeaderSizeBytes);
  const auto read = [&wal, &bytes] {
    return !!wal.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  };
  const bool complete = read();
  const auto header = format::parse_wal_header(std::as_bytes(std::span(bytes)));
  if (!complete || !header) {
    throw Error(Errc::not_a_database, quoted(wal_path) + " is no write-ahead log");
  }
  WalSurvey survey;
  format::WalScanner scanner(*header);
  bytes.resize(format::wal_frame_size_bytes(header->page_size_bytes));
  while (read()) {
    const auto frame = std::as_bytes(std::span(bytes));
    ++survey.frames;
    if (format::parse_wal_frame_header(frame).salt.is_zero()) ++survey.zero_salt;
    if (scanner.valid_frames() + 1 == survey.frames) static_cast<void>(scanner.accept(frame));
  }
  survey.valid = scanner.valid_frames();
  survey.committed = scanner.committed_frames();
  return survey;
}

bool sqlite_writes_zero_salts() noexcept {
  return sqlite3_libversion_number() < kFirstSoundVersion;
}

}  // namespace sqlbk::kit
