// Bug Z: SQLite up to 3.49.2 can commit frames whose salts and checksums are zero. A spilled frame
// is overwritten inside a savepoint, the savepoint is rolled back, and the WAL does not forget that
// checksums are to be rebuilt from there on: what is written next is never summed. Live readers go
// by the wal-index and are fine; whoever goes by checksums, as a crash recovery does, loses the
// transaction and all that follow in this generation.
#pragma once

#include <cstdint>
#include <string>

#include "kit/modes.hpp"
#include "kit/writer_process.hpp"
#include "sqlbk/core/sqlite.hpp"

namespace sqlbk::kit {

// The database has one table, a (id, v, pad), of 400 rows of about one page of 1 KiB each, and v =
// 0 in all of them until the transaction with the bug. The variants leave these sums of v:
//   plain                      7: only row 400 is changed for good
//   spilled_before_savepoint   107: rows 1 to 100 are set to 1 before the savepoint
//   first_of_generation        7: as plain, in frame 1 and on of a WAL cut by journal_size_limit=0
//   failed_statement           7: no SAVEPOINT, but an UPDATE whose trigger fails on the last row
std::int64_t zero_salt_live_sum(ZeroSaltVariant variant) noexcept;

// Makes the table and runs the transaction, without any checkpoint after it. `connection` is to a
// new, empty file, and nothing but its locking mode has been set. Throws Error, also if the sum is
// not as expected. On SQLite 3.50 and later all is the same, but the frames are sound.
void run_zero_salt_recipe(sqlite::Connection& connection, ZeroSaltVariant variant);

// The same in a live-writer process that keeps the database open, with -shm (normal) or without
// one (exclusive): the owner that a copy has to cope with. Its counters().result is the live sum.
WriterProcess make_zero_salt_wal(const std::string& path, ZeroSaltVariant variant,
                                 LockingMode locking = LockingMode::normal,
                                 const Launch& launch = {});

// What stands in a WAL file, in frames.
struct WalSurvey {
  std::uint64_t frames = 0;     // slots up to the end of the file
  std::uint64_t zero_salt = 0;  // slots with salts 0,0
  std::uint64_t valid = 0;      // the prefix whose checksums are right
  std::uint64_t committed = 0;  // up to the last commit in it
};

// Reads the file `wal_path`, which nobody may write meanwhile. Throws Error.
WalSurvey survey_wal(const std::string& wal_path);

// Whether the SQLite library of this process has the bug, by its version.
bool sqlite_writes_zero_salts() noexcept;

}  // namespace sqlbk::kit
