#include "kit/checker.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "file_bytes.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "sqlbk/core/sqlite.hpp"

namespace sqlbk::kit {
namespace {

namespace fs = std::filesystem;

class Checker : public testing::Test {
 protected:
  static constexpr std::size_t kPageSize = 1024;

  Checker() {
    DatabaseOptions options;
    options.size_mb = 1;
    options.page_size = kPageSize;
    options.journal_mode = JournalMode::delete_file;
    create_database(source_, options);
    write(source_, 20);
  }

  // Commits `count` transactions of writer 1.
  static void write(const std::string& path, int count) {
    sqlite::Connection connection(path, sqlite::OpenMode::read_write);
    connection.execute("PRAGMA synchronous = OFF");
    TransactionOptions options;
    options.log_rows = 10;
    Workload workload(connection, 1, options, static_cast<std::uint64_t>(count));
    for (int i = 0; i < count; ++i) workload.run();
  }

  // The verdict on a copy that `sql` has changed.
  CheckResult after(const std::string& sql) {
    fs::copy_file(source_, copy_, fs::copy_options::overwrite_existing);
    sqlite::Connection connection(copy_, sqlite::OpenMode::read_write);
    register_pattern_function(connection);
    connection.execute("PRAGMA journal_mode = OFF; PRAGMA ignore_check_constraints = ON;" + sql);
    connection.close();
    return check_copy(copy_, floor_);
  }

  // True: the verdict is torn, and the words are among the reasons.
  static testing::AssertionResult torn(const CheckResult& result, const std::string& words) {
    const std::string all = result.explain();
    if (result.verdict == CopyVerdict::torn && all.find(words) != std::string::npos) {
      return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << "not torn by '" << words << "' but " << all;
  }

  TemporaryDirectory directory_;
  std::string source_ = directory_.file("source.db");
  std::string copy_ = directory_.file("copy.db");
  std::vector<Committed> floor_{{1, 20}};
};

TEST_F(Checker, AGoodCopyPasses) {
  const CheckResult result = after("SELECT 1");
  EXPECT_TRUE(result.good()) << result.explain();
  EXPECT_EQ(result.committed, floor_);
  EXPECT_EQ(result.explain(), "good");
}

TEST_F(Checker, EverySinglePageFromBeforeMakesACopyTorn) {
  const std::string old = bytes_of(source_);
  write(source_, 4);
  const std::string now = bytes_of(source_);
  ASSERT_EQ(old.size(), now.size());
  ASSERT_TRUE(check_copy(source_).good());
  int pages = 0;
  // Page 1 differs only in the change counter, which is no content.
  for (std::size_t page = kPageSize; page < now.size(); page += kPageSize) {
    if (old.compare(page, kPageSize, now, page, kPageSize) == 0) continue;
    ++pages;
    std::string mixed = now;
    mixed.replace(page, kPageSize, old, page, kPageSize);
    write_bytes(copy_, mixed);
    const CheckResult result = check_copy(copy_);
    EXPECT_EQ(result.verdict, CopyVerdict::torn)
        << "page " << page / kPageSize + 1 << ": " << result.explain();
    // And one new page among old ones.
    mixed = old;
    mixed.replace(page, kPageSize, now, page, kPageSize);
    write_bytes(copy_, mixed);
    EXPECT_EQ(check_copy(copy_).verdict, CopyVerdict::torn)
        << "page " << page / kPageSize + 1 << " among old ones";
  }
  EXPECT_GT(pages, 30) << "the changes are all over the file";
}

// Torn copies that SQLite's integrity_check takes for sound are why the workload exists.
TEST_F(Checker, FindsTearsThatIntegrityCheckDoesNot) {
  const std::string old = bytes_of(source_);
  write(source_, 20);
  std::string mixed = bytes_of(source_);
  const std::size_t half = mixed.size() / kPageSize / 2 * kPageSize;
  mixed.replace(half / 2, half, old, half / 2, half);
  write_bytes(copy_, mixed);
  {
    sqlite::Connection connection(copy_, sqlite::OpenMode::immutable);
    ASSERT_EQ(connection.text("PRAGMA integrity_check"), "ok");
  }
  EXPECT_TRUE(torn(check_copy(copy_), "fingerprint"));
}

TEST_F(Checker, NamesWhatIsWrong) {
  EXPECT_TRUE(torn(after("DELETE FROM log WHERE seq = 15"), "gap from 15 to 15"));
  EXPECT_TRUE(torn(after("DELETE FROM log WHERE seq = 20"), "last row in the log of writer 1"));
  EXPECT_TRUE(torn(after("INSERT INTO log VALUES (1, 3, x'00')"), "below its lowest row"));
  EXPECT_TRUE(torn(after("INSERT INTO log VALUES (2, 1, x'00')"), "number of rows in the log"));
  EXPECT_TRUE(
      torn(after("UPDATE account SET balance = balance + 1 WHERE id = 9"), "sum of all balances"));
  EXPECT_TRUE(torn(after("UPDATE account SET balance = balance + 1 WHERE id = 1;"
                         "UPDATE account SET balance = balance - 1 WHERE id = 9"),
                   "first and the last account"));
  EXPECT_TRUE(torn(after("UPDATE account SET balance = balance + (id = 8) - (id = 9),"
                         " filler = pattern(id, balance + (id = 8) - (id = 9), length(filler))"
                         " WHERE id IN (8, 9)"),
                   "fingerprint"));
  EXPECT_TRUE(torn(after("UPDATE account SET filler = zeroblob(length(filler)) WHERE id = 9"),
                   "account 9 has bytes that do not belong to it"));
  EXPECT_TRUE(torn(after("DELETE FROM account WHERE id = 9"), "account 9 is missing"));
  EXPECT_TRUE(torn(after("UPDATE counter SET seq = 21"), "sum of all counters"));
  EXPECT_TRUE(torn(after("DELETE FROM counter"), "sum of all counters"));
  EXPECT_TRUE(torn(after("DELETE FROM tally"), "tally is empty"));
  EXPECT_TRUE(torn(after("INSERT INTO breath VALUES (1, 1, zeroblob(10))"), "size of all breaths"));
}

TEST_F(Checker, ACopyFromBeforeTheFloorIsStale) {
  fs::copy_file(source_, copy_);
  write(source_, 1);
  EXPECT_TRUE(check_copy(copy_, std::vector<Committed>{{1, 20}}).good());
  const CheckResult result = check_copy(copy_, std::vector<Committed>{{1, 21}});
  EXPECT_EQ(result.verdict, CopyVerdict::stale);
  EXPECT_NE(result.explain().find("had committed 21 transactions, here are 20"), std::string::npos);
  EXPECT_EQ(check_copy(copy_, std::vector<Committed>{{1, 20}, {2, 1}}).verdict, CopyVerdict::stale)
      << "a writer that is not there at all";
  EXPECT_TRUE(check_copy(copy_, std::vector<Committed>{{1, 20}, {2, 0}}).good());
}

TEST_F(Checker, ACopyWithoutItsWalIsStaleAndWithItGood) {
  sqlite::Connection owner(source_, sqlite::OpenMode::read_write);
  owner.execute("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
  Workload workload(owner, 1, TransactionOptions{}, 3);
  for (int i = 0; i < 5; ++i) workload.run();
  fs::copy_file(source_, copy_);
  const std::vector<Committed> floor{{1, 25}};
  EXPECT_EQ(check_copy(copy_, floor).verdict, CopyVerdict::stale);

  fs::copy_file(source_ + "-wal", copy_ + "-wal");
  const std::string main_before = bytes_of(copy_);
  const std::string wal_before = bytes_of(copy_ + "-wal");
  const CheckResult result = check_copy(copy_, floor);
  EXPECT_TRUE(result.good()) << result.explain();
  EXPECT_EQ(bytes_of(copy_), main_before);
  EXPECT_EQ(bytes_of(copy_ + "-wal"), wal_before);
  EXPECT_FALSE(fs::exists(copy_ + "-shm"));
}

TEST_F(Checker, ACopyWithAHotJournalIsRolledBackElsewhere) {
  sqlite::Connection owner(source_, sqlite::OpenMode::read_write);
  owner.execute(
      "PRAGMA cache_size = 5; PRAGMA synchronous = OFF; BEGIN;"
      "UPDATE account SET balance = 0");
  fs::copy_file(source_, copy_);
  EXPECT_NE(check_copy(copy_, floor_).verdict, CopyVerdict::good) << "half a transaction";
  fs::copy_file(source_ + "-journal", copy_ + "-journal");
  const std::string main_before = bytes_of(copy_);
  const CheckResult result = check_copy(copy_, floor_);
  EXPECT_TRUE(result.good()) << result.explain();
  EXPECT_EQ(bytes_of(copy_), main_before);
  EXPECT_TRUE(fs::exists(copy_ + "-journal"));
}

TEST_F(Checker, WhatIsNoDatabaseIsUnreadable) {
  std::string garbage(65536, '\0');
  fill_pattern(1, 2, garbage);
  write_bytes(copy_, garbage);
  EXPECT_EQ(check_copy(copy_, floor_).verdict, CopyVerdict::unreadable);
  write_bytes(copy_, "");
  EXPECT_EQ(check_copy(copy_, floor_).verdict, CopyVerdict::unreadable);
  EXPECT_EQ(check_copy(directory_.file("missing"), floor_).verdict, CopyVerdict::unreadable);
  EXPECT_FALSE(fs::exists(directory_.file("missing")));
  {
    sqlite::Connection other(directory_.file("other.db"), sqlite::OpenMode::create);
    other.execute("CREATE TABLE account (x)");
  }
  const CheckResult result = check_copy(directory_.file("other.db"), floor_);
  EXPECT_EQ(result.verdict, CopyVerdict::unreadable);
  EXPECT_NE(result.explain().find("no database of the workload"), std::string::npos);
}

TEST_F(Checker, GarbageInTheMiddleOfADatabaseIsTorn) {
  std::string bytes = bytes_of(source_);
  fill_pattern(1, 2, std::span(bytes).subspan(100 * kPageSize, 20 * kPageSize));
  write_bytes(copy_, bytes);
  EXPECT_TRUE(torn(check_copy(copy_, floor_), "integrity_check"));
  write_bytes(copy_, bytes_of(source_).substr(0, 300 * kPageSize));
  EXPECT_EQ(check_copy(copy_, floor_).verdict, CopyVerdict::torn) << "cut off";
}

TEST_F(Checker, TheSourceItselfIsCheckedWithRecovery) {
  {
    sqlite::Connection owner(source_, sqlite::OpenMode::read_write);
    owner.execute("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
    owner.disable_checkpoint_on_close();
    Workload workload(owner, 1, TransactionOptions{}, 3);
    workload.run();
  }
  const CheckResult result = check_source(source_, std::vector<Committed>{{1, 21}});
  EXPECT_TRUE(result.good()) << result.explain();
  EXPECT_EQ(check_source(source_, std::vector<Committed>{{1, 22}}).verdict, CopyVerdict::stale);
}

}  // namespace
}  // namespace sqlbk::kit
