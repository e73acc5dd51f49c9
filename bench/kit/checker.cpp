#include "kit/checker.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "kit/pattern.hpp"
#include "kit/temporary_directory.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/sqlite.hpp"

namespace sqlbk::kit {
namespace {

// More of them say nothing new.
constexpr std::size_t kMostProblems = 20;

std::string text(std::int64_t number) {
  return std::to_string(number);
}

// Reads everything once and collects what contradicts itself.
class Inspection {
 public:
  explicit Inspection(sqlite::Connection& connection) : connection_(&connection) {}

  // Throws Error where SQLite cannot go on.
  void run() {
    integrity();
    accounts();
    logs();
    breaths();
    tally();
  }

  std::vector<std::string> take_problems() { return std::move(problems_); }
  std::vector<Committed> take_committed() { return std::move(committed_); }

 private:
  void problem(std::string words) {
    if (problems_.size() < kMostProblems) problems_.push_back(std::move(words));
  }
  void expect_equal(const std::string& what, std::int64_t found, std::int64_t expected) {
    if (found != expected) {
      problem(what + " is " + text(found) + " instead of " + text(expected));
    }
  }
  void expect_pattern(const std::string& row, std::int64_t a, std::int64_t b,
                      const std::string& bytes, std::int64_t size) {
    pattern_.resize(static_cast<std::size_t>(std::max<std::int64_t>(size, 0)));
    fill_pattern(a, b, pattern_);
    if (bytes != pattern_) problem(row + " has bytes that do not belong to it");
  }
  std::int64_t fact(const std::string& name) {
    return connection_->integer("SELECT value FROM fact WHERE name = '" + name + "'");
  }

  void integrity() {
    sqlite::Statement check(*connection_, "PRAGMA integrity_check(5)");
    while (check.step()) {
      const std::string line = check.text(0);
      if (line != "ok") problem("integrity_check says: " + line);
    }
  }

  void accounts() {
    const std::int64_t count = fact("accounts");
    const std::int64_t filler_bytes = fact("filler_bytes");
    std::int64_t last = 0;
    std::uint64_t total = 0;  // unsigned: garbage may overflow
    std::uint64_t pair = 0;
    sqlite::Statement rows(*connection_, "SELECT id, balance, filler FROM account ORDER BY id");
    while (rows.step()) {
      const std::int64_t id = rows.integer(0);
      const std::int64_t balance = rows.integer(1);
      if (id != last + 1) problem("account " + text(last + 1) + " is missing before " + text(id));
      last = id;
      total += static_cast<std::uint64_t>(balance);
      if (id == 1 || id == count) pair += static_cast<std::uint64_t>(balance);
      fingerprint_ += account_mark(id, balance);
      expect_pattern("account " + text(id), id, balance, rows.text(2), filler_bytes);
    }
    expect_equal("the number of accounts", last, count);
    expect_equal("the sum of all balances", static_cast<std::int64_t>(total), fact("total"));
    expect_equal("the sum of the first and the last account", static_cast<std::int64_t>(pair),
                 fact("pair_total"));
  }

  void logs() {
    sqlite::Statement counters(*connection_,
                               "SELECT writer, lowest, seq FROM counter ORDER BY writer");
    sqlite::Statement log(*connection_,
                          "SELECT seq, payload FROM log WHERE writer = ?1 ORDER BY seq");
    while (counters.step()) {
      const std::int64_t writer = counters.integer(0);
      const std::int64_t lowest = counters.integer(1);
      const std::int64_t highest = counters.integer(2);
      const std::string of_writer = " of writer " + text(writer);
      std::int64_t expected = lowest;
      log.bind(1, writer);
      while (log.step()) {
        const std::int64_t sequence = log.integer(0);
        if (sequence > expected) {
          problem("the log" + of_writer + " has a gap from " + text(expected) + " to " +
                  text(sequence - 1));
        } else if (sequence < expected) {
          problem("the log" + of_writer + " holds " + text(sequence) + ", below its lowest row " +
                  text(lowest));
        }
        expected = std::max(expected, sequence + 1);
        expect_pattern("log " + text(sequence) + of_writer, writer, sequence, log.text(1),
                       log_payload_bytes(writer, sequence));
        ++log_rows_;
      }
      log.reset();
      expect_equal("the last row in the log" + of_writer, expected - 1, highest);
      transactions_ += highest;
      committed_.push_back(
          {static_cast<std::uint64_t>(writer), static_cast<std::uint64_t>(highest)});
    }
    expect_equal("the number of rows in the log", connection_->integer("SELECT count(*) FROM log"),
                 log_rows_);
  }

  void breaths() {
    sqlite::Statement rows(*connection_, "SELECT writer, seq, payload FROM breath");
    while (rows.step()) {
      const std::string payload = rows.text(2);
      const auto size = static_cast<std::int64_t>(payload.size());
      expect_pattern("the breath of writer " + text(rows.integer(0)), rows.integer(0),
                     rows.integer(1), payload, size);
      breath_bytes_ += size;
    }
  }

  void tally() {
    sqlite::Statement row(*connection_,
                          "SELECT transactions, log_rows, breath_bytes, fingerprint FROM tally");
    if (!row.step()) {
      problem("the tally is empty");
      return;
    }
    expect_equal("the sum of all counters", transactions_, row.integer(0));
    expect_equal("the number of rows in the log, by the counters,", log_rows_, row.integer(1));
    expect_equal("the size of all breaths", breath_bytes_, row.integer(2));
    if (static_cast<std::int64_t>(fingerprint_) != row.integer(3)) {
      problem("the accounts are not those of the last transaction: their fingerprint differs");
    }
  }

  sqlite::Connection* connection_;
  std::vector<std::string> problems_;
  std::vector<Committed> committed_;
  std::string pattern_;
  std::uint64_t fingerprint_ = 0;
  std::int64_t log_rows_ = 0;
  std::int64_t transactions_ = 0;
  std::int64_t breath_bytes_ = 0;
};

bool is_workload(sqlite::Connection& connection) {
  return connection.integer(
             "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN"
             " ('fact', 'tally', 'account', 'counter', 'log', 'breath')") == 6;
}

void compare_with_floor(std::span<const Committed> floor, CheckResult& result) {
  for (const Committed& wanted : floor) {
    std::uint64_t held = 0;
    for (const Committed& found : result.committed) {
      if (found.writer == wanted.writer) held = found.sequence;
    }
    if (held >= wanted.sequence) continue;
    result.problems.push_back("writer " + std::to_string(wanted.writer) + " had committed " +
                              std::to_string(wanted.sequence) + " transactions, here are " +
                              std::to_string(held));
    if (result.verdict == CopyVerdict::good) result.verdict = CopyVerdict::stale;
  }
}

CheckResult unreadable(std::string why) {
  return {CopyVerdict::unreadable, {std::move(why)}, {}};
}

CheckResult check(const std::string& path, sqlite::OpenMode mode,
                  std::span<const Committed> floor) {
  std::optional<sqlite::Connection> connection;
  try {
    connection.emplace(path, mode);
    connection->execute("PRAGMA cache_size = -65536");
    if (!is_workload(*connection)) {
      return unreadable(sqlbk::quoted(path) + " is no database of the workload");
    }
  } catch (const Error& error) {
    // A damaged schema is a database's, too.
    return {error.code() == Errc::damaged ? CopyVerdict::torn : CopyVerdict::unreadable,
            {error.what()},
            {}};
  }
  CheckResult result;
  Inspection inspection(*connection);
  try {
    inspection.run();
    result.problems = inspection.take_problems();
    result.committed = inspection.take_committed();
  } catch (const Error& error) {
    // Only damage is the copy's fault beyond doubt; what was found before it counts all the same.
    result.problems = inspection.take_problems();
    result.problems.emplace_back(error.what());
    result.verdict = error.code() == Errc::damaged ? CopyVerdict::torn : CopyVerdict::unreadable;
    return result;
  }
  if (!result.problems.empty()) result.verdict = CopyVerdict::torn;
  compare_with_floor(floor, result);
  return result;
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

}  // namespace

std::string_view to_string(CopyVerdict verdict) noexcept {
  switch (verdict) {
    case CopyVerdict::good:
      return "good";
    case CopyVerdict::torn:
      return "torn";
    case CopyVerdict::stale:
      return "stale";
    case CopyVerdict::unreadable:
      return "unreadable";
  }
  return "?";
}

std::string CheckResult::explain() const {
  std::string words(to_string(verdict));
  for (const std::string& problem : problems) words.append("\n  ").append(problem);
  return words;
}

CheckResult check_copy(const std::string& path, std::span<const Committed> floor) {
  // -shm is never part of a copy: SQLite makes it anew.
  if (!exists(path + "-wal") && !exists(path + "-journal")) {
    return check(path, sqlite::OpenMode::immutable, floor);
  }
  const TemporaryDirectory directory;
  const std::string twin = directory.file("copy.db");
  try {
    for (const char* suffix : {"", "-wal", "-journal"}) {
      if (exists(path + suffix)) std::filesystem::copy_file(path + suffix, twin + suffix);
    }
  } catch (const std::filesystem::filesystem_error& error) {
    return unreadable(error.what());
  }
  return check(twin, sqlite::OpenMode::read_write, floor);
}

CheckResult check_source(const std::string& path, std::span<const Committed> floor) {
  return check(path, sqlite::OpenMode::read_write, floor);
}

}  // namespace sqlbk::kit
