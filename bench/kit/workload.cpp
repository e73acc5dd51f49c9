#include "kit/workload.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <unistd.h>
#include <vector>

#include <sqlite3.h>

#include "sqlbk/core/error.hpp"

namespace sqlbk::kit {
namespace {

constexpr std::int64_t kFewestAccounts = 16;
constexpr std::int64_t kLargestAmount = 100;
constexpr std::int64_t kBytesAroundFiller = 18;  // of one cell of `account`, about

// Part of the text of an SQL statement, not of its values: numbers and words of ours only.
std::string sql_number(std::uint64_t value) {
  return std::to_string(value);
}

// Statement::step() for statements without rows. Not reset after an error: SQLite does that.
void finish(sqlite::Statement& statement) {
  while (statement.step()) {
  }
  statement.reset();
}

std::int64_t fact(sqlite::Connection& connection, const std::string& name) {
  return connection.integer("SELECT value FROM fact WHERE name = '" + name + "'");
}

void pattern_function(sqlite3_context* context, int /*count*/, sqlite3_value** values) {
  const std::int64_t size = sqlite3_value_int64(values[2]);
  if (size < 0) {
    sqlite3_result_null(context);
    return;
  }
  auto* bytes = static_cast<char*>(sqlite3_malloc64(static_cast<sqlite3_uint64>(size) + 1));
  if (bytes == nullptr) {
    sqlite3_result_error_nomem(context);
    return;
  }
  fill_pattern(sqlite3_value_int64(values[0]), sqlite3_value_int64(values[1]),
               {bytes, static_cast<std::size_t>(size)});
  sqlite3_result_blob64(context, bytes, static_cast<sqlite3_uint64>(size), sqlite3_free);
}

struct Accounts {
  std::int64_t count = 0;
  std::int64_t total = 0;
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::uint64_t fingerprint = 0;
};

// Rows of about a page each between the accounts, to be dropped: their pages are then free.
class Gaps {
 public:
  Gaps(sqlite::Connection& connection, std::int64_t page_bytes, std::uint32_t percent,
       std::uint64_t seed)
      : connection_(&connection), page_bytes_(page_bytes), percent_(percent), random_(~seed) {
    if (percent == 0) return;
    connection.execute("CREATE TABLE gap (id INTEGER PRIMARY KEY, filler BLOB NOT NULL)");
    insert_.emplace(connection, "INSERT INTO gap VALUES (NULL, zeroblob(?1))");
    insert_->bind(1, page_bytes * 3 / 4);
  }

  // After a row of so many bytes; on average so often that the share comes out.
  void maybe_add(std::int64_t row_bytes) {
    if (percent_ == 0) return;
    const auto page = static_cast<std::uint64_t>(page_bytes_) * (100 - percent_);
    auto due = static_cast<std::uint64_t>(row_bytes) * percent_;
    for (; due >= page; due -= page) finish(*insert_);
    if (random_.below(page) < due) finish(*insert_);
  }
  void free_them() {
    insert_.reset();
    if (percent_ != 0) connection_->execute("DROP TABLE gap");
  }

 private:
  sqlite::Connection* connection_;
  std::int64_t page_bytes_;
  std::uint32_t percent_;
  Random random_;
  std::optional<sqlite::Statement> insert_;
};

struct Filling {
  std::int64_t pages = 0;  // of the file when it is full
  std::int64_t page_bytes = 0;
  std::int64_t filler_bytes = 0;
  std::uint32_t fragmentation_percent = 0;
  std::uint64_t seed = 0;
};

// Appends accounts until the file has so many pages.
Accounts fill_accounts(sqlite::Connection& connection, const Filling& filling) {
  Accounts accounts;
  Random random(filling.seed);
  Gaps gaps(connection, filling.page_bytes, filling.fragmentation_percent, filling.seed);
  const std::int64_t row_bytes = filling.filler_bytes + kBytesAroundFiller;
  sqlite::Statement insert(connection, "INSERT INTO account VALUES (?1, ?2, pattern(?1, ?2, ?3))");
  insert.bind(3, filling.filler_bytes);
  for (;;) {
    // An estimate, then what is still missing, until it is there.
    const std::int64_t missing_pages = filling.pages - connection.integer("PRAGMA page_count");
    if (missing_pages <= 0 && accounts.count >= kFewestAccounts) break;
    const std::int64_t batch =
        std::max<std::int64_t>(1, missing_pages * filling.page_bytes / row_bytes * 9 / 10 *
                                      (100 - filling.fragmentation_percent) / 100);
    for (const std::int64_t end = accounts.count + batch; accounts.count < end;) {
      const auto balance = static_cast<std::int64_t>(1000 + random.below(1000));
      ++accounts.count;
      insert.bind(1, accounts.count).bind(2, balance);
      finish(insert);
      accounts.total += balance;
      accounts.fingerprint += account_mark(accounts.count, balance);
      if (accounts.count == 1) accounts.first = balance;
      accounts.last = balance;
      gaps.maybe_add(row_bytes);
    }
  }
  gaps.free_them();
  return accounts;
}

std::int64_t usual_filler_bytes(std::int64_t page_bytes) {
  return std::min<std::int64_t>(page_bytes / 4, 1000) - kBytesAroundFiller;
}

constexpr std::string_view kTables =
    "'fact', 'tally', 'account', 'counter', 'log', 'breath', 'gap'";

// All tables, full, in one transaction.
void make_tables(sqlite::Connection& connection, const Filling& filling) {
  connection.execute(
      "BEGIN EXCLUSIVE;"
      "CREATE TABLE fact (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
      "CREATE TABLE tally (id INTEGER PRIMARY KEY CHECK (id = 1), transactions INTEGER NOT NULL,"
      " log_rows INTEGER NOT NULL, breath_bytes INTEGER NOT NULL, fingerprint INTEGER NOT NULL);"
      "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL,"
      " filler BLOB NOT NULL);");
  Filling accounts_only = filling;
  accounts_only.pages -= 3;
  const Accounts accounts = fill_accounts(connection, accounts_only);
  // Only now, so that their first pages lie behind the accounts.
  connection.execute(
      "CREATE TABLE counter (writer INTEGER PRIMARY KEY, lowest INTEGER NOT NULL,"
      " seq INTEGER NOT NULL);"
      "CREATE TABLE log (writer INTEGER, seq INTEGER, payload BLOB NOT NULL,"
      " PRIMARY KEY (writer, seq)) WITHOUT ROWID;"
      "CREATE TABLE breath (writer INTEGER PRIMARY KEY, seq INTEGER NOT NULL,"
      " payload BLOB NOT NULL);");
  sqlite::Statement facts(connection, "INSERT INTO fact VALUES (?1, ?2)");
  const auto state = [&facts](std::string_view name, std::int64_t value) {
    facts.bind(1, name).bind(2, value);
    finish(facts);
  };
  state("accounts", accounts.count);
  state("total", accounts.total);
  state("pair_total", accounts.first + accounts.last);
  state("filler_bytes", filling.filler_bytes);
  sqlite::Statement tally(connection, "INSERT INTO tally VALUES (1, 0, 0, 0, ?1)");
  tally.bind(1, static_cast<std::int64_t>(accounts.fingerprint));
  finish(tally);
  connection.execute("COMMIT");
}

}  // namespace

void register_pattern_function(sqlite::Connection& connection) {
  sqlite::check(sqlite3_create_function(connection.handle(), "pattern", 3,
                                        SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                                        nullptr, pattern_function, nullptr, nullptr),
                connection.handle(), connection.path(), "configure");
}

void create_database(const std::string& path, const DatabaseOptions& options) {
  if (::access(path.c_str(), F_OK) == 0) {
    throw Error(Errc::destination_exists, "unable to create " + quoted(path) + ": it exists");
  }
  const std::int64_t page_bytes = options.page_size;
  if (options.fragmentation_percent > 90) {
    throw Error(Errc::usage, "of the pages at most 90 percent can be free");
  }
  const std::int64_t filler_bytes =
      options.row_bytes != 0 ? std::max<std::int64_t>(0, options.row_bytes - kBytesAroundFiller)
                             : usual_filler_bytes(page_bytes);
  const std::int64_t pages = std::int64_t{options.size_mb} * 1024 * 1024 / page_bytes;

  sqlite::Connection connection(path, sqlite::OpenMode::create);
  register_pattern_function(connection);
  // Speed alone counts: nobody else knows the file yet, and a crash leaves nothing worth keeping.
  connection.execute("PRAGMA page_size = " + sql_number(options.page_size) +
                     "; PRAGMA auto_vacuum = " + (options.auto_vacuum ? "FULL" : "NONE") +
                     "; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                     " PRAGMA cache_size = -65536");
  if (connection.integer("PRAGMA page_size") != page_bytes) {
    throw Error(Errc::usage, "page size " + sql_number(options.page_size) +
                                 " is not a power of two from 512 to 65536");
  }
  make_tables(connection, {.pages = pages,
                           .page_bytes = page_bytes,
                           .filler_bytes = filler_bytes,
                           .fragmentation_percent = options.fragmentation_percent,
                           .seed = options.seed});
  if (options.journal_mode == JournalMode::wal &&
      connection.text("PRAGMA journal_mode = WAL") != "wal") {
    throw Error(Errc::sqlite_error, "unable to put " + quoted(path) + " into WAL mode");
  }
}

void add_workload(const std::string& path, std::uint64_t seed) {
  sqlite::Connection connection(path, sqlite::OpenMode::read_write);
  register_pattern_function(connection);
  const std::string taken =
      connection.text("SELECT coalesce(max(name), '') FROM sqlite_schema WHERE lower(name) IN (" +
                      std::string(kTables) + ")");
  if (!taken.empty()) {
    throw Error(Errc::usage, "the database has a table " + quoted(taken) + " of its own already");
  }
  const std::int64_t page_bytes = connection.integer("PRAGMA page_size");
  connection.execute("PRAGMA synchronous = OFF; PRAGMA cache_size = -65536");
  make_tables(connection, {.pages = connection.integer("PRAGMA page_count") +
                                    std::int64_t{1024} * 1024 / page_bytes,
                           .page_bytes = page_bytes,
                           .filler_bytes = usual_filler_bytes(page_bytes),
                           .fragmentation_percent = 0,
                           .seed = seed});
}

Workload::Workload(sqlite::Connection& connection, std::uint64_t writer,
                   const TransactionOptions& options, std::uint64_t seed)
    : connection_((register_pattern_function(connection), &connection)),
      writer_(static_cast<std::int64_t>(writer)),
      options_(options),
      random_(mix64(seed) ^ writer),
      begin_(connection, "BEGIN IMMEDIATE"),
      commit_(connection, "COMMIT"),
      rollback_(connection, "ROLLBACK"),
      read_tally_(connection,
                  "SELECT transactions, log_rows, breath_bytes, fingerprint FROM tally"),
      write_tally_(connection,
                   "UPDATE tally SET transactions = ?1, log_rows = ?2, breath_bytes = ?3,"
                   " fingerprint = ?4"),
      read_balance_(connection, "SELECT balance FROM account WHERE id = ?1"),
      write_account_(connection,
                     "UPDATE account SET balance = ?2, filler = pattern(?1, ?2, ?3)"
                     " WHERE id = ?1"),
      read_counter_(connection, "SELECT lowest, seq FROM counter WHERE writer = ?1"),
      write_counter_(connection, "INSERT OR REPLACE INTO counter VALUES (?1, ?2, ?3)"),
      append_log_(connection, "INSERT INTO log VALUES (?1, ?2, pattern(?1, ?2, ?3))"),
      trim_log_(connection, "DELETE FROM log WHERE writer = ?1 AND seq < ?2") {
  if (options.rows == 0 || options.log_rows == 0) {
    throw Error(Errc::usage, "a transaction needs at least one transfer and one row of log");
  }
  accounts_ = fact(connection, "accounts");
  breath_bytes_ = connection.integer("PRAGMA page_size") * options.breath_pages;
  read_counter_.bind(1, writer_);
  write_counter_.bind(1, writer_);
  append_log_.bind(1, writer_);
  trim_log_.bind(1, writer_);
  write_account_.bind(3, fact(connection, "filler_bytes"));
  if (read_counter_.step()) committed_ = read_counter_.integer(1);
  read_counter_.reset();
}

void Workload::begin() {
  finish(begin_);
}

void Workload::commit() {
  finish(commit_);
  ++committed_;
}

void Workload::rollback() {
  finish(rollback_);
}

bool Workload::run() {
  begin();
  bool committing = false;
  try {
    committing = change();
    if (committing) commit();
  } catch (const Error&) {
    // The first error is the one to report.
    try {
      rollback();
    } catch (const Error&) {
    }
    throw;
  }
  if (!committing) rollback();
  return committing;
}

Workload::Tally Workload::read_tally() {
  if (!read_tally_.step()) {
    throw Error(Errc::damaged, "the tally of " + quoted(connection_->path()) + " is gone");
  }
  const Tally tally{read_tally_.integer(0), read_tally_.integer(1), read_tally_.integer(2),
                    static_cast<std::uint64_t>(read_tally_.integer(3))};
  read_tally_.reset();
  return tally;
}

void Workload::write_tally(const Tally& tally) {
  write_tally_.bind(1, tally.transactions)
      .bind(2, tally.log_rows)
      .bind(3, tally.breath_bytes)
      .bind(4, static_cast<std::int64_t>(tally.fingerprint));
  finish(write_tally_);
}

void Workload::set_balance(std::int64_t id, std::int64_t delta, Tally& tally) {
  read_balance_.bind(1, id);
  if (!read_balance_.step()) {
    throw Error(Errc::damaged, "account " + std::to_string(id) + " of " +
                                   quoted(connection_->path()) + " is gone");
  }
  const std::int64_t balance = read_balance_.integer(0);
  read_balance_.reset();
  write_account_.bind(1, id).bind(2, balance + delta);
  finish(write_account_);
  tally.fingerprint += account_mark(id, balance + delta) - account_mark(id, balance);
}

void Workload::transfer(std::int64_t from, std::int64_t to, std::int64_t amount, Tally& tally) {
  set_balance(from, -amount, tally);
  set_balance(to, amount, tally);
}

// The same seed chooses the same accounts and amounts again.
void Workload::random_transfers(std::uint64_t count, std::uint64_t seed, Tally& tally) {
  Random random(seed);
  const auto inner = static_cast<std::uint64_t>(accounts_ - 2);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto from = static_cast<std::int64_t>(2 + random.below(inner));
    const auto to = static_cast<std::int64_t>(2 + random.below(inner));
    const auto amount = static_cast<std::int64_t>(1 + random.below(kLargestAmount));
    transfer(from, to, amount, tally);
  }
}

// Writes the same pages twice, so that with a small cache the second time overwrites frames of the
// WAL that the first had spilled, and takes both back.
void Workload::changes_rolled_back(std::uint64_t count, const Tally& tally) {
  Tally forgotten = tally;
  const std::uint64_t seed = random_.next();
  connection_->execute("SAVEPOINT half_way");
  random_transfers(count, seed, forgotten);
  random_transfers(count, seed, forgotten);
  connection_->execute("ROLLBACK TO half_way; RELEASE half_way");
}

bool Workload::change() {
  std::int64_t lowest = 1;
  std::int64_t sequence = 0;
  if (read_counter_.step()) {
    lowest = read_counter_.integer(0);
    sequence = read_counter_.integer(1);
  }
  read_counter_.reset();
  if (sequence != committed_) {
    // Not a matter of copies: the source itself lost or invented commits (bug R).
    throw Error(Errc::damaged, "writer " + std::to_string(writer_) + " committed " +
                                   std::to_string(committed_) + " transactions, but " +
                                   quoted(connection_->path()) + " holds " +
                                   std::to_string(sequence));
  }
  ++sequence;

  Tally tally = read_tally();
  const std::uint64_t rows =
      options_.vary_rows ? 1 + random_.below(options_.rows) : std::uint64_t{options_.rows};
  const std::uint64_t before = rows / 2;
  random_transfers(before, random_.next(), tally);
  if (options_.savepoints && random_.one_in(2)) changes_rolled_back(rows, tally);
  random_transfers(rows - before, random_.next(), tally);
  transfer(1, accounts_, static_cast<std::int64_t>(1 + random_.below(kLargestAmount)), tally);

  append_log(sequence, tally);
  const std::int64_t new_lowest = std::max(lowest, sequence - std::int64_t{options_.log_rows} + 1);
  if (new_lowest > lowest) {
    trim_log_.bind(2, new_lowest);
    finish(trim_log_);
    tally.log_rows -= new_lowest - lowest;
  }
  if (options_.breathe_every != 0 && sequence % options_.breathe_every == 0) {
    breathe(sequence, tally);
  }
  write_counter_.bind(2, new_lowest).bind(3, sequence);
  finish(write_counter_);
  ++tally.transactions;
  write_tally(tally);
  return !(options_.rollbacks && random_.one_in(4));
}

void Workload::append_log(std::int64_t sequence, Tally& tally) {
  append_log_.bind(2, sequence).bind(3, log_payload_bytes(writer_, sequence));
  finish(append_log_);
  ++tally.log_rows;
}

void Workload::breathe(std::int64_t sequence, Tally& tally) {
  const std::string self = std::to_string(writer_);
  const std::int64_t held = connection_->integer(
      "SELECT coalesce(sum(length(payload)), 0) FROM breath WHERE writer = " + self);
  if (held != 0) {
    connection_->execute("DELETE FROM breath WHERE writer = " + self);
    tally.breath_bytes -= held;
    return;
  }
  const std::string number = std::to_string(sequence);
  connection_->execute("INSERT INTO breath VALUES (" + self + ", " + number + ", pattern(" + self +
                       ", " + number + ", " + std::to_string(breath_bytes_) + "))");
  tally.breath_bytes += breath_bytes_;
}

}  // namespace sqlbk::kit
