#include "sqlbk/core/sqlite.hpp"

#include <filesystem>
#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "errors.hpp"
#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "remote_sqlite.hpp"

namespace sqlbk::sqlite {
namespace {

using test::code_of;
using test::error_of;
using test::is_there;

class SqliteTest : public testing::Test {
 protected:
  void make(const std::string& path) const {
    Connection connection(path, OpenMode::create);
    connection.execute("CREATE TABLE t(a); INSERT INTO t VALUES (42)");
    connection.close();
  }
  kit::TemporaryDirectory directory_;
  std::string path_ = directory_.file("source.db");
};

// ---- Paths are bytes.

class SqlitePath : public SqliteTest, public testing::WithParamInterface<std::string> {};

// Relative paths are from here, for the life of this object.
class WorkingDirectory {
 public:
  explicit WorkingDirectory(const std::string& path) { std::filesystem::current_path(path); }
  WorkingDirectory(const WorkingDirectory&) = delete;
  WorkingDirectory& operator=(const WorkingDirectory&) = delete;
  ~WorkingDirectory() {
    std::error_code ignored;
    std::filesystem::current_path(before_, ignored);
  }

 private:
  std::filesystem::path before_ = std::filesystem::current_path();
};

TEST_P(SqlitePath, NamesExactlyThatFile) {
  const WorkingDirectory here(directory_.path());
  for (const std::string& path : {directory_.file(GetParam()), GetParam()}) {
    make(path);
    EXPECT_EQ(test::names_in(directory_.path()), std::vector{GetParam()}) << path;
    for (const OpenMode mode : {OpenMode::read_only, OpenMode::immutable, OpenMode::read_write}) {
      Connection connection(path, mode);
      EXPECT_EQ(connection.integer("SELECT a FROM t"), 42);
      EXPECT_EQ(connection.path(), path);
    }
    std::filesystem::remove(path);
  }
}

INSTANTIATE_TEST_SUITE_P(Bytes, SqlitePath,
                         testing::Values("plain.db", "a?mode=memory", "a#fragment", "per%41cent",
                                         "with a space", "file:x.db", "file:x.db?mode=ro",
                                         ":memory:", "a&b=c;d+e", "tab\tnewline\n", "quote'\"`",
                                         "back\\slash", "non-\xff\xfe-utf8", "\xc3\xa4\xe2\x82\xac",
                                         "-dash", "~", "%", "%00"));

TEST_F(SqliteTest, AnEmptyPathIsNoTemporaryDatabase) {
  EXPECT_EQ(code_of([&] { Connection("", OpenMode::create); }), Errc::sqlite_error);
}

TEST_F(SqliteTest, SeveralSlashesAreOne) {
  make(path_);
  Connection connection("//" + directory_.path() + "//source.db", OpenMode::read_only);
  EXPECT_EQ(connection.integer("SELECT a FROM t"), 42);
}

// ---- Modes of opening.

TEST_F(SqliteTest, OnlyCreateMakesAFile) {
  for (const OpenMode mode : {OpenMode::read_only, OpenMode::immutable, OpenMode::read_write}) {
    const auto error = error_of([&] { Connection(path_, mode); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), Errc::sqlite_error);
    EXPECT_EQ(error->sqlite_extended_code() & 0xff, SQLITE_CANTOPEN);
    EXPECT_EQ(error->path(), path_);
    EXPECT_FALSE(is_there(path_));
  }
  Connection connection(path_, OpenMode::create);
  connection.execute("CREATE TABLE t(a)");
  EXPECT_TRUE(is_there(path_));
}

TEST_F(SqliteTest, ReadOnlyDoesNotWrite) {
  make(path_);
  Connection connection(path_, OpenMode::read_only);
  const auto error = error_of([&] { connection.execute("INSERT INTO t VALUES (1)"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->sqlite_extended_code() & 0xff, SQLITE_READONLY);
}

TEST_F(SqliteTest, ImmutableTakesNoLocksAndLooksAtNoWal) {
  make(path_);
  test::RemoteSqlite owner(path_);
  owner.run("PRAGMA journal_mode=WAL; PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t VALUES (1)");
  EXPECT_EQ(
      code_of([&] { Connection(path_, OpenMode::read_only).integer("SELECT count(*) FROM t"); }),
      Errc::source_busy);
  Connection connection(path_, OpenMode::immutable);
  EXPECT_EQ(connection.integer("SELECT count(*) FROM t"), 1) << "the WAL's row is not seen";
  EXPECT_FALSE(is_there(path_ + "-shm"));
}

// ---- Errors.

TEST_F(SqliteTest, CodesAreMapped) {
  Connection connection(path_, OpenMode::create);
  const auto code = [&](int result) {
    return code_of([&] { check(result, nullptr, path_, "try"); });
  };
  EXPECT_EQ(code(SQLITE_OK), std::nullopt);
  EXPECT_EQ(code(SQLITE_ROW), std::nullopt);
  EXPECT_EQ(code(SQLITE_DONE), std::nullopt);
  EXPECT_EQ(code(SQLITE_BUSY), Errc::source_busy);
  EXPECT_EQ(code(SQLITE_BUSY_RECOVERY), Errc::source_busy);
  EXPECT_EQ(code(SQLITE_BUSY_SNAPSHOT), Errc::source_busy);
  EXPECT_EQ(code(SQLITE_LOCKED), Errc::source_busy);
  EXPECT_EQ(code(SQLITE_LOCKED_SHAREDCACHE), Errc::source_busy);
  EXPECT_EQ(code(SQLITE_CORRUPT), Errc::damaged);
  EXPECT_EQ(code(SQLITE_CORRUPT_INDEX), Errc::damaged);
  EXPECT_EQ(code(SQLITE_NOTADB), Errc::not_a_database);
  EXPECT_EQ(code(SQLITE_FULL), Errc::no_space);
  EXPECT_EQ(code(SQLITE_INTERRUPT), Errc::interrupted);
  EXPECT_EQ(code(SQLITE_PERM), Errc::permission_denied);
  EXPECT_EQ(code(SQLITE_IOERR_READ), Errc::sqlite_error);
  EXPECT_EQ(code(SQLITE_CANTOPEN), Errc::sqlite_error);
  EXPECT_EQ(code(SQLITE_ERROR), Errc::sqlite_error);
}

TEST_F(SqliteTest, AnErrorTellsEverything) {
  const auto error = error_of([&] { check(SQLITE_IOERR_FSYNC, nullptr, path_, "put in order"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->sqlite_extended_code(), SQLITE_IOERR_FSYNC);
  EXPECT_EQ(error->path(), path_);
  const std::string text = error->what();
  EXPECT_TRUE(text.starts_with("unable to put in order '" + path_ + "': ")) << text;
  EXPECT_NE(text.find(std::to_string(SQLITE_IOERR_FSYNC)), std::string::npos) << text;
}

TEST_F(SqliteTest, RealErrorsHaveTheirExtendedCode) {
  test::write_text(path_, std::string(4096, 'x'));
  EXPECT_EQ(
      code_of([&] { Connection(path_, OpenMode::read_only).integer("PRAGMA schema_version"); }),
      Errc::not_a_database);
  std::filesystem::remove(path_);
  make(path_);
  Connection connection(path_, OpenMode::read_write);
  connection.execute("CREATE TABLE u(a UNIQUE); INSERT INTO u VALUES (1)");
  const auto error = error_of([&] { connection.execute("INSERT INTO u VALUES (1)"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->sqlite_extended_code(), SQLITE_CONSTRAINT_UNIQUE);
  EXPECT_NE(std::string(error->what()).find("u.a"), std::string::npos) << "SQLite's own words";
}

TEST_F(SqliteTest, AStaleErrorOfTheConnectionIsNotTold) {
  Connection connection(path_, OpenMode::create);
  EXPECT_TRUE(error_of([&] { connection.execute("no SQL"); }));
  const auto error = error_of([&] { check(SQLITE_BUSY, connection.handle(), path_, "try"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Errc::source_busy);
  EXPECT_EQ(error->sqlite_extended_code(), SQLITE_BUSY);
}

TEST_F(SqliteTest, ADamagedDatabaseIsDamaged) {
  {
    Connection connection(path_, OpenMode::create);
    connection.execute("CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(100000))");
    connection.close();
  }
  std::filesystem::resize_file(path_, 8192);
  EXPECT_EQ(
      code_of([&] { Connection(path_, OpenMode::read_only).integer("SELECT count(*) FROM t"); }),
      Errc::damaged);
}

TEST_F(SqliteTest, AFullDatabaseHasNoSpace) {
  Connection connection(path_, OpenMode::create);
  connection.execute("PRAGMA max_page_count=4; CREATE TABLE t(a)");
  EXPECT_EQ(code_of([&] { connection.execute("INSERT INTO t VALUES (zeroblob(100000))"); }),
            Errc::no_space);
}

// ---- Handlers.

TEST_F(SqliteTest, TheBusyHandlerDecidesHowLongToWait) {
  make(path_);
  test::RemoteSqlite owner(path_);
  owner.run("BEGIN EXCLUSIVE");
  Connection connection(path_, OpenMode::read_only);
  EXPECT_EQ(code_of([&] { connection.integer("SELECT a FROM t"); }), Errc::source_busy)
      << "without one, there is no waiting";
  int calls = 0;
  connection.set_busy_handler([&] { return ++calls < 5; });
  EXPECT_EQ(code_of([&] { connection.integer("SELECT a FROM t"); }), Errc::source_busy);
  EXPECT_EQ(calls, 5);
  connection.set_busy_handler([&] {
    owner.run("COMMIT");
    return true;
  });
  EXPECT_EQ(connection.integer("SELECT a FROM t"), 42);
}

TEST_F(SqliteTest, TheProgressHandlerStopsAStatement) {
  Connection connection(path_, OpenMode::create);
  int calls = 0;
  connection.set_progress_handler(100, [&] { return ++calls == 3; });
  EXPECT_EQ(code_of([&] {
              connection.integer(
                  "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n");
            }),
            Errc::interrupted);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(connection.integer("SELECT 1"), 1) << "and only that one";
}

TEST_F(SqliteTest, HandlersSurviveAMove) {
  make(path_);
  test::RemoteSqlite owner(path_);
  owner.run("BEGIN EXCLUSIVE");
  Connection first(path_, OpenMode::read_only);
  int calls = 0;
  first.set_busy_handler([&] { return ++calls < 3; });
  Connection second(std::move(first));
  EXPECT_EQ(code_of([&] { second.integer("SELECT a FROM t"); }), Errc::source_busy);
  EXPECT_EQ(calls, 3);
}

// ---- Closing.

TEST_F(SqliteTest, TheLastCloseCanBeKeptFromCheckpointing) {
  for (const bool keep : {false, true}) {
    Connection connection(path_, OpenMode::create);
    connection.execute("PRAGMA journal_mode=WAL; CREATE TABLE IF NOT EXISTS t(a)");
    if (keep) connection.disable_checkpoint_on_close();
    connection.execute("INSERT INTO t VALUES (1)");
    connection.close();
    EXPECT_EQ(is_there(path_ + "-wal"), keep);
  }
}

TEST_F(SqliteTest, CloseSaysWhenItCannot) {
  Connection connection(path_, OpenMode::create);
  {
    Statement statement(connection, "SELECT 1");
    EXPECT_TRUE(statement.step());
    EXPECT_EQ(code_of([&] { connection.close(); }), Errc::source_busy);
  }
  EXPECT_EQ(code_of([&] { connection.close(); }), std::nullopt);
  EXPECT_EQ(connection.handle(), nullptr);
  EXPECT_EQ(code_of([&] { connection.close(); }), std::nullopt) << "once is enough";
}

// ---- Statements.

TEST_F(SqliteTest, StatementsBindAndRead) {
  Connection connection(path_, OpenMode::create);
  connection.execute("CREATE TABLE t(a, b, c, d)");
  Statement insert(connection, "INSERT INTO t VALUES (?, ?, 0.5, NULL)");
  const std::string text("with\0zero", 9);
  insert.bind(1, INT64_MIN).bind(2, text);
  EXPECT_FALSE(insert.step());
  insert.reset();
  insert.bind(1, INT64_MAX).bind(2, "");
  EXPECT_FALSE(insert.step());
  Statement select(connection, "SELECT * FROM t ORDER BY a");
  ASSERT_TRUE(select.step());
  EXPECT_EQ(select.integer(0), INT64_MIN);
  EXPECT_EQ(select.text(1), text);
  EXPECT_EQ(select.real(2), 0.5);
  EXPECT_TRUE(select.is_null(3));
  EXPECT_FALSE(select.is_null(0));
  EXPECT_EQ(select.text(3), "");
  ASSERT_TRUE(select.step());
  EXPECT_EQ(select.text(1), "");
  EXPECT_FALSE(select.is_null(1));
  EXPECT_FALSE(select.step());
  EXPECT_TRUE(code_of([&] { insert.bind(9, 1); })) << "there is no such parameter";
  EXPECT_EQ(code_of([&] { Statement(connection, "no SQL"); }), Errc::sqlite_error);
}

TEST_F(SqliteTest, OneValueIsTheFirstOfTheFirstRow) {
  Connection connection(path_, OpenMode::create);
  connection.execute("CREATE TABLE t(a)");
  EXPECT_EQ(connection.integer("SELECT a FROM t"), 0);
  EXPECT_EQ(connection.text("SELECT a FROM t"), "");
  connection.execute("INSERT INTO t VALUES (7), (8)");
  EXPECT_EQ(connection.integer("SELECT a FROM t"), 7);
  EXPECT_EQ(connection.text("SELECT a FROM t"), "7");
}

TEST(SqliteLibrary, TellsItsVersion) {
  EXPECT_EQ(library_version(), sqlite3_libversion());
}

}  // namespace
}  // namespace sqlbk::sqlite
