// The workload: a database and transactions on it whose every committed state can be told from
// every mixture of two of them, so that a copy which is not one committed state is found out.
//
//   fact      (name, value)               what never changes: number of accounts, their sum, …
//   tally     (one row, page-ish 4)       transactions of all writers, rows of the log, bytes of
//                                         breath, fingerprint of all accounts
//   account   (id, balance, filler)       fills the file. Transfers keep the sum; filler is a
//                                         function of id and balance; accounts 1 and N, on the
//                                         first and the last page, only trade with each other
//   counter   (writer, lowest, seq)       one row a writer, behind the accounts
//   log       (writer, seq, payload)      WITHOUT ROWID; lowest..seq of each writer without a gap,
//                                         payload a function of both; trimmed at the low end
//   breath    (writer, seq, payload)      a blob that comes and goes, so that the file size does
//
// Every transaction changes tally, accounts all over the file, counter and log. The fingerprint is
// the sum of account_mark() over all accounts, kept up by each transaction: one old page among new
// ones makes it wrong, even where the sum of the balances happens to be right.
//
// Nothing here retries or waits: that is the live-writer's business (live_writer_main.cpp).
#pragma once

#include <cstdint>
#include <string>

#include "kit/modes.hpp"
#include "kit/pattern.hpp"
#include "sqlbk/core/sqlite.hpp"

namespace sqlbk::kit {

struct DatabaseOptions {
  std::uint32_t size_mb = 8;  // MiB, of the main file; at least 16 accounts whatever it says
  std::uint32_t page_size = 4096;
  std::uint32_t row_bytes = 0;  // of one account; 0: a quarter of a page, at most 1000
  std::uint64_t seed = 1;
  // WAL is written into the file; all other modes are the business of each connection.
  JournalMode journal_mode = JournalMode::wal;
  bool auto_vacuum = false;  // FULL: the file shrinks when a breath is let out
  // Of the pages, this share lies free, scattered over the file by the seed; at most 90.
  std::uint32_t fragmentation_percent = 0;
};

// Makes the database at `path`: same options, same bytes. Nothing is synced to the disk.
// Throws Error destination_exists if there is a file already, usage for impossible options.
void create_database(const std::string& path, const DatabaseOptions& options);

// Adds the workload's tables, with 1 MiB of accounts, to a database that nobody has open: the
// copies of a database of any content can then be checked. Throws Error usage where it has a table
// of one of these names.
void add_workload(const std::string& path, std::uint64_t seed);

struct TransactionOptions {
  std::uint32_t rows = 8;           // transfers in a transaction: each changes two accounts
  bool vary_rows = false;           // 1 to `rows` of them
  bool savepoints = false;          // every second transaction rolls back to a savepoint half-way
                                    // after overwriting what it had spilled: bug Z, up to 3.49.2
  bool rollbacks = false;           // every fourth transaction is rolled back as a whole
  std::uint32_t log_rows = 2000;    // kept for this writer
  std::uint32_t breathe_every = 0;  // transactions between two breaths; 0: none
  std::uint32_t breath_pages = 64;  // size of one
};

// The SQL function pattern(a, b, n): fill_pattern() as a blob of n bytes.
void register_pattern_function(sqlite::Connection& connection);

// One writer's transactions. Ownership: borrows the connection, which must outlive it.
// Thread-safety: that of the connection. Failure: throws Error; after one from begin() no
// transaction is open, after one from commit() it still is, otherwise rollback() is due.
class Workload {
 public:
  // Reads the facts and this writer's counter. `writer` is unique among the database's writers.
  Workload(sqlite::Connection& connection, std::uint64_t writer, const TransactionOptions& options,
           std::uint64_t seed);

  void begin();   // BEGIN IMMEDIATE; may be tried again after source_busy
  bool change();  // the changes of one transaction; false: this one is to be rolled back
  void commit();  // may be tried again after source_busy
  void rollback();

  // begin, change, commit or rollback; true if it committed.
  bool run();

  // The sequence number of the last transaction that committed.
  std::uint64_t committed() const noexcept { return static_cast<std::uint64_t>(committed_); }

 private:
  struct Tally {
    std::int64_t transactions = 0;
    std::int64_t log_rows = 0;
    std::int64_t breath_bytes = 0;
    std::uint64_t fingerprint = 0;
  };

  Tally read_tally();
  void write_tally(const Tally& tally);
  void set_balance(std::int64_t id, std::int64_t delta, Tally& tally);
  void transfer(std::int64_t from, std::int64_t to, std::int64_t amount, Tally& tally);
  void random_transfers(std::uint64_t count, std::uint64_t seed, Tally& tally);
  void changes_rolled_back(std::uint64_t count, const Tally& tally);
  void append_log(std::int64_t sequence, Tally& tally);
  void breathe(std::int64_t sequence, Tally& tally);

  sqlite::Connection* connection_;
  std::int64_t writer_;
  TransactionOptions options_;
  Random random_;
  std::int64_t accounts_ = 0;
  std::int64_t breath_bytes_ = 0;
  std::int64_t committed_ = 0;

  sqlite::Statement begin_;
  sqlite::Statement commit_;
  sqlite::Statement rollback_;
  sqlite::Statement read_tally_;
  sqlite::Statement write_tally_;
  sqlite::Statement read_balance_;
  sqlite::Statement write_account_;
  sqlite::Statement read_counter_;
  sqlite::Statement write_counter_;
  sqlite::Statement append_log_;
  sqlite::Statement trim_log_;
};

}  // namespace sqlbk::kit
