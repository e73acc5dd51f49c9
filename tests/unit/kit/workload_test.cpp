#include "kit/workload.hpp"

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "file_bytes.hpp"
#include "kit/checker.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/zero_salt.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::kit {
namespace {

class DatabaseOfPageSize : public testing::TestWithParam<std::uint32_t> {};

TEST_P(DatabaseOfPageSize, HasTheSizeAskedForAndPassesTheChecker) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("a.db");
  DatabaseOptions options;
  options.size_mb = 2;
  options.page_size = GetParam();
  create_database(path, options);
  const auto size = static_cast<double>(std::filesystem::file_size(path));
  EXPECT_NEAR(size, 2.0 * 1024 * 1024, 10.0 * GetParam());
  EXPECT_FALSE(std::filesystem::exists(path + "-wal"));
  EXPECT_FALSE(std::filesystem::exists(path + "-journal"));
  const CheckResult result = check_copy(path);
  EXPECT_TRUE(result.good()) << result.explain();
}

INSTANTIATE_TEST_SUITE_P(PageSizes, DatabaseOfPageSize, testing::Values(512, 1024, 4096, 65536));

TEST(Database, TheSeedDecidesEveryByte) {
  const TemporaryDirectory directory;
  DatabaseOptions options;
  options.size_mb = 1;
  create_database(directory.file("a.db"), options);
  create_database(directory.file("b.db"), options);
  options.seed = 2;
  create_database(directory.file("c.db"), options);
  EXPECT_EQ(bytes_of(directory.file("a.db")), bytes_of(directory.file("b.db")));
  EXPECT_NE(bytes_of(directory.file("a.db")), bytes_of(directory.file("c.db")));
}

TEST(Database, RefusesAnExistingFileAndImpossiblePages) {
  const TemporaryDirectory directory;
  DatabaseOptions options;
  options.size_mb = 1;
  write_bytes(directory.file("there"), "mine");
  EXPECT_THROW(create_database(directory.file("there"), options), Error);
  EXPECT_EQ(bytes_of(directory.file("there")), "mine");
  options.page_size = 1000;
  EXPECT_THROW(create_database(directory.file("new"), options), Error);
}

TEST(Database, TheJournalModeIsInTheFile) {
  const TemporaryDirectory directory;
  DatabaseOptions options;
  options.size_mb = 1;
  create_database(directory.file("wal.db"), options);
  options.journal_mode = JournalMode::delete_file;
  create_database(directory.file("delete.db"), options);
  EXPECT_EQ(bytes_of(directory.file("wal.db")).at(18), 2);
  EXPECT_EQ(bytes_of(directory.file("delete.db")).at(18), 1);
}

struct Shape {
  const char* name;
  TransactionOptions transaction;
  bool auto_vacuum = false;
};

class TransactionsOfShape : public testing::TestWithParam<Shape> {};

// Overflowing rows, spilling cache, all kinds of rollback: after every transaction the database is
// in a state that the checker knows.
TEST_P(TransactionsOfShape, KeepEveryInvariant) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("a.db");
  DatabaseOptions options;
  options.size_mb = 1;
  options.page_size = 1024;
  options.row_bytes = 1500;
  options.auto_vacuum = GetParam().auto_vacuum;
  create_database(path, options);
  std::uint64_t commits = 0;
  constexpr std::uint64_t kTries = 40;
  for (std::uint64_t i = 0; i < kTries; ++i) {
    {
      sqlite::Connection connection(path, sqlite::OpenMode::read_write);
      connection.execute("PRAGMA cache_size = 10; PRAGMA synchronous = OFF");
      Workload workload(connection, 5, GetParam().transaction, i);
      ASSERT_EQ(workload.committed(), commits) << "it goes on where it was";
      if (workload.run()) ++commits;
      ASSERT_EQ(workload.committed(), commits);
    }
    const CheckResult result = check_source(path, std::vector<Committed>{{5, commits}});
    ASSERT_TRUE(result.good()) << "transaction " << i << ": " << result.explain();
    if (commits != 0) {
      ASSERT_EQ(result.committed, (std::vector<Committed>{{5, commits}}));
    }
  }
  if (GetParam().transaction.rollbacks) {
    EXPECT_LT(commits, kTries);
  } else {
    EXPECT_EQ(commits, kTries);
  }
}

TransactionOptions transaction(bool vary, bool savepoints, bool rollbacks, std::uint32_t breathe,
                               std::uint32_t log_rows = 2000) {
  TransactionOptions options;
  options.rows = 40;
  options.vary_rows = vary;
  options.savepoints = savepoints;
  options.rollbacks = rollbacks;
  options.breathe_every = breathe;
  options.log_rows = log_rows;
  return options;
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, TransactionsOfShape,
    testing::Values(Shape{"Plain", transaction(false, false, false, 0)},
                    Shape{"Varying", transaction(true, false, false, 0)},
                    Shape{"TrimmedLog", transaction(true, false, false, 0, 3)},
                    Shape{"Savepoints", transaction(false, true, false, 0)},
                    Shape{"Rollbacks", transaction(false, false, true, 0)},
                    Shape{"Breathing", transaction(false, false, false, 3), true},
                    Shape{"Everything", transaction(true, true, true, 2, 5), true}),
    [](const testing::TestParamInfo<Shape>& test) { return std::string(test.param.name); });

TEST(Workload, ABreathChangesTheSizeOfTheFile) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("a.db");
  DatabaseOptions options;
  options.size_mb = 1;
  options.auto_vacuum = true;
  options.journal_mode = JournalMode::delete_file;
  create_database(path, options);
  sqlite::Connection connection(path, sqlite::OpenMode::read_write);
  TransactionOptions breathing;
  breathing.breathe_every = 1;
  Workload workload(connection, 1, breathing, 1);
  workload.run();
  const std::int64_t full = connection.integer("PRAGMA page_count");
  workload.run();
  EXPECT_NEAR(static_cast<double>(full - connection.integer("PRAGMA page_count")), 64, 3);
}

TEST(Workload, SavepointsWithASmallCacheBringOutBugZ) {
  if (!sqlite_writes_zero_salts()) {
    GTEST_SKIP() << "SQLite " << sqlite::library_version() << " does not have bug Z";
  }
  const TemporaryDirectory directory;
  const std::string path = directory.file("a.db");
  create_database(path, DatabaseOptions{});
  sqlite::Connection connection(path, sqlite::OpenMode::read_write);
  connection.execute("PRAGMA cache_size = 10; PRAGMA wal_autocheckpoint = 0");
  TransactionOptions options;
  options.rows = 50;
  options.savepoints = true;
  Workload workload(connection, 1, options, 1);
  for (int i = 0; i < 10; ++i) workload.run();
  EXPECT_GT(survey_wal(path + "-wal").zero_salt, 0U);
}

TEST(Workload, NoticesThatTheDatabaseLostACommit) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("a.db");
  create_database(path, DatabaseOptions{});
  sqlite::Connection connection(path, sqlite::OpenMode::read_write);
  Workload workload(connection, 1, TransactionOptions{}, 1);
  workload.run();
  connection.execute("UPDATE counter SET seq = 0");
  try {
    workload.run();
    FAIL() << "it went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::damaged);
  }
}

}  // namespace
}  // namespace sqlbk::kit
