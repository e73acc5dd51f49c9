// Each built-in step on images that are folded, unfolded, healthy and damaged.
#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "kit/temporary_directory.hpp"
#include "sqlbk/checkpoint/builtin.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/registry.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "support/files.hpp"
#include "support/slow_cksumvfs.hpp"
#include "support/test_context.hpp"

namespace sqlbk::checkpoint {
namespace {

using test::read_file;
using test::write_file;

class StepsTest : public ::testing::Test {
 protected:
  StepsTest() { register_builtin_steps(registry_); }

  // A database of a hundred rows with an index; header 1/1, or 2/2.
  void make_main(const std::string& mode) {
    sqlite::Connection connection(image_.main_path(), sqlite::OpenMode::create);
    connection.execute("PRAGMA page_size=1024; PRAGMA journal_mode=" + mode +
                       "; CREATE TABLE t(id INTEGER PRIMARY KEY, x UNIQUE);"
                       "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<100)"
                       " INSERT INTO t SELECT i, hex(randomblob(100)) FROM n");
    connection.close();
  }

  // A main and a -wal with one more row in it, as --keep-wal delivers them.
  void make_main_and_wal() {
    make_main("wal");
    const std::string live = directory_.file("live.db");
    std::filesystem::copy_file(image_.main_path(), live);
    sqlite::Connection connection(live, sqlite::OpenMode::read_write);
    connection.execute("INSERT INTO t VALUES(1000, 'in the WAL')");
    std::filesystem::copy_file(live, image_.main_path(),
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::copy_file(live + "-wal", image_.wal_path());
  }

  StepReport run(const std::string& spec) {
    return registry_.step(spec)->run(image_, context_.context);
  }

  std::int64_t rows() {
    sqlite::Connection connection(image_.main_path(), sqlite::OpenMode::immutable);
    return connection.integer("SELECT count(*) FROM t");
  }

  // The names in the image's directory.
  std::vector<std::string> names() const { return test::names_in(image_.directory()); }

  const kit::TemporaryDirectory directory_;
  const std::string image_directory_ = [this] {
    std::filesystem::create_directory(directory_.file("image"));
    return directory_.file("image");
  }();
  StagedImage image_{image_directory_};
  Registry registry_;
  test::TestContext context_;
};

using Names = std::vector<std::string>;

TEST_F(StepsTest, CheckpointBringsTheWalIntoMain) {
  for (const char* mode : {"passive", "full", "restart", "truncate"}) {
    image_.discard();
    std::filesystem::remove(directory_.file("live.db"));
    make_main_and_wal();
    EXPECT_EQ(rows(), 100) << mode;
    const StepReport report = run(std::string("checkpoint=") + mode);
    EXPECT_EQ(report.verdict, StepVerdict::ok) << mode;
    EXPECT_EQ(report.name, std::string("checkpoint=") + mode);
    EXPECT_EQ(rows(), 101) << mode;
    EXPECT_FALSE(test::is_there(image_.main_path() + "-shm")) << mode;
  }
}

TEST_F(StepsTest, CheckpointTruncatesByDefaultAndLeavesOneFile) {
  make_main_and_wal();
  EXPECT_EQ(run("checkpoint").name, "checkpoint=truncate");
  EXPECT_EQ(names(), Names{"copy.db"});
}

TEST_F(StepsTest, CheckpointHasNothingToDoOnAFoldedImage) {
  make_main("delete");
  const auto before = read_file(image_.main_path());
  const StepReport report = run("checkpoint");
  EXPECT_EQ(report.verdict, StepVerdict::skipped);
  EXPECT_FALSE(report.findings.empty());
  EXPECT_EQ(read_file(image_.main_path()), before);
}

TEST_F(StepsTest, CheckpointRefusesAnUnknownMode) {
  EXPECT_THROW(static_cast<void>(registry_.step("checkpoint=half")), Error);
}

TEST_F(StepsTest, JournalModeIsKeptInTheHeader) {
  make_main("delete");
  EXPECT_EQ(run("journal_mode=wal").verdict, StepVerdict::ok);
  EXPECT_EQ(std::to_integer<int>(read_file(image_.main_path())[18]), 2);
  EXPECT_EQ(names(), Names{"copy.db"});
  EXPECT_EQ(run("journal_mode=delete").verdict, StepVerdict::ok);
  EXPECT_EQ(std::to_integer<int>(read_file(image_.main_path())[18]), 1);
  EXPECT_EQ(names(), Names{"copy.db"});
  EXPECT_EQ(rows(), 100);
}

TEST_F(StepsTest, JournalModeDeleteFoldsAWal) {
  make_main_and_wal();
  EXPECT_EQ(run("journal_mode=delete").verdict, StepVerdict::ok);
  EXPECT_EQ(names(), Names{"copy.db"});
  EXPECT_EQ(rows(), 101);
}

TEST_F(StepsTest, JournalModeRefusesWhatAFileCannotKeep) {
  for (const char* spec : {"journal_mode", "journal_mode=memory", "journal_mode=WAL"}) {
    EXPECT_THROW(static_cast<void>(registry_.step(spec)), Error) << spec;
  }
}

// Pages with the checksums of the cksumvfs extension, of which the SQLite that is used here knows
// nothing.
class PageChecksumTest : public StepsTest {
 protected:
  static constexpr std::size_t kPageSize = 1024;

  void make(bool with_wal) {
    const std::string path = directory_.file("sealed.db");
    sqlite::Connection connection(path, sqlite::OpenMode::create);
    int reserved = 8;
    ASSERT_EQ(
        sqlite3_file_control(connection.handle(), "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved),
        SQLITE_OK);
    connection.execute("PRAGMA page_size=1024; PRAGMA journal_mode=wal");
    connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, x)");
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<100)"
        " INSERT INTO t SELECT i, randomblob(100) FROM n");
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    if (with_wal) connection.execute("UPDATE t SET x=randomblob(100) WHERE id%7=0");
    auto main = read_file(path);
    test::seal_slowly(main, kPageSize);
    write_file(image_.main_path(), main);
    if (with_wal) std::filesystem::copy_file(path + "-wal", image_.wal_path());
  }
  bool all_are_right() const {
    auto main = read_file(image_.main_path());
    const auto before = main;
    test::seal_slowly(main, kPageSize);
    return main == before;
  }
  int mode() const { return std::to_integer<int>(read_file(image_.main_path())[18]); }
};

TEST_F(PageChecksumTest, JournalModeKeepsThemRight) {
  for (const bool with_wal : {false, true}) {
    for (const std::string mode : {"delete", "wal"}) {
      image_.discard();
      std::filesystem::remove(directory_.file("sealed.db"));
      make(with_wal);
      ASSERT_TRUE(all_are_right());
      EXPECT_EQ(run("journal_mode=" + mode).verdict, StepVerdict::ok);
      EXPECT_TRUE(all_are_right()) << mode << with_wal;
      EXPECT_EQ(this->mode(), mode == "wal" ? 2 : 1);
      EXPECT_EQ(names(), Names{"copy.db"});
      EXPECT_EQ(rows(), 100);
      EXPECT_EQ(run("integrity_check").verdict, StepVerdict::ok);
    }
  }
}

TEST_F(PageChecksumTest, CheckpointKeepsThemRight) {
  make(true);
  EXPECT_EQ(run("checkpoint").verdict, StepVerdict::ok);
  EXPECT_TRUE(all_are_right());
  EXPECT_EQ(names(), Names{"copy.db"});
  EXPECT_EQ(rows(), 100);
  EXPECT_EQ(run("integrity_check").verdict, StepVerdict::ok);
}

class CheckTest : public StepsTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(CheckTest, IsContentWithAHealthyCopyAndChangesNothing) {
  make_main("wal");
  const auto before = read_file(image_.main_path());
  const StepReport report = run(GetParam());
  EXPECT_EQ(report.verdict, StepVerdict::ok);
  EXPECT_TRUE(report.findings.empty());
  EXPECT_EQ(read_file(image_.main_path()), before);
  EXPECT_EQ(names(), Names{"copy.db"});
}

TEST_P(CheckTest, LooksAtTheWalAndLeavesItUnmerged) {
  make_main_and_wal();
  const auto main = read_file(image_.main_path());
  const auto wal = read_file(image_.wal_path());
  EXPECT_EQ(run(GetParam()).verdict, StepVerdict::ok);
  EXPECT_EQ(read_file(image_.main_path()), main);
  EXPECT_EQ(read_file(image_.wal_path()), wal);
  EXPECT_EQ(names(), (Names{"copy.db", "copy.db-wal"}));
}

TEST_P(CheckTest, FindsAZeroedPage) {
  make_main("delete");
  auto bytes = read_file(image_.main_path());
  std::fill(bytes.begin() + 3 * 1024, bytes.begin() + 4 * 1024, std::byte{0});
  write_file(image_.main_path(), bytes);
  const StepReport report = run(GetParam());
  EXPECT_EQ(report.verdict, StepVerdict::damaged);
  EXPECT_FALSE(report.findings.empty());
}

TEST_P(CheckTest, CallsWhatIsNoDatabaseDamaged) {
  test::write_text(image_.main_path(), std::string(4096, 'x'));
  EXPECT_EQ(run(GetParam()).verdict, StepVerdict::damaged);
}

TEST_P(CheckTest, StopsWhenTheRunIsCancelled) {
  make_main("delete");
  {
    // Long enough for the progress handler to be asked.
    sqlite::Connection connection(image_.main_path(), sqlite::OpenMode::read_write);
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1001 UNION ALL SELECT i+1 FROM n WHERE i<30000)"
        " INSERT INTO t SELECT i, hex(randomblob(20)) FROM n");
  }
  context_.cancel.request();
  try {
    static_cast<void>(run(GetParam()));
    FAIL() << "it went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::interrupted);
  }
}

INSTANTIATE_TEST_SUITE_P(Checks, CheckTest, ::testing::Values("quick_check", "integrity_check"));

TEST_F(StepsTest, ForeignKeysThatReferToNothingAreDamage) {
  make_main("delete");
  {
    sqlite::Connection connection(image_.main_path(), sqlite::OpenMode::read_write);
    connection.execute(
        "CREATE TABLE child(a REFERENCES t(id)); INSERT INTO child VALUES(1), (NULL), (5000);"
        "CREATE TABLE w(a REFERENCES t(id), b PRIMARY KEY) WITHOUT ROWID;");
  }
  StepReport report = run("foreign_key_check");
  EXPECT_EQ(report.verdict, StepVerdict::damaged);
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0], "row 3 of 'child' refers to a row of 't' that is not there");
  {
    sqlite::Connection connection(image_.main_path(), sqlite::OpenMode::read_write);
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1001 UNION ALL SELECT i+1 FROM n WHERE i<1500)"
        " INSERT INTO w SELECT i, i FROM n");
  }
  report = run("foreign_key_check");
  EXPECT_EQ(report.findings.size(), 101U) << "it goes on for ever";
  EXPECT_EQ(names(), Names{"copy.db"});
}

TEST_F(StepsTest, AForeignKeyThatCannotBeCheckedIsNoDamage) {
  make_main("delete");
  {
    sqlite::Connection connection(image_.main_path(), sqlite::OpenMode::read_write);
    connection.execute("CREATE TABLE p(x); CREATE TABLE c(a REFERENCES p(x))");
  }
  const StepReport report = run("foreign_key_check");
  EXPECT_EQ(report.verdict, StepVerdict::could_not_check);
  EXPECT_FALSE(report.findings.empty());
}

class VacuumTest : public StepsTest {
 protected:
  // Three quarters of the rows are gone again, so that there is something to compact.
  void make_sparse(const std::string& mode, const std::string& pragma = "") {
    make_main(mode);
    sqlite::Connection connection(image_.main_path(), sqlite::OpenMode::read_write);
    connection.execute(pragma + "; DELETE FROM t WHERE id > 25; PRAGMA user_version=7");
  }
  std::int64_t number(const std::string& sql) {
    sqlite::Connection connection(image_.main_path(), sqlite::OpenMode::immutable);
    return connection.integer(sql);
  }
};

TEST_F(VacuumTest, LeavesNoFreePage) {
  for (const char* mode : {"delete", "wal"}) {
    image_.discard();
    make_sparse(mode);
    EXPECT_GT(number("PRAGMA freelist_count"), 0);
    const StepReport report = run("vacuum_into");
    EXPECT_EQ(report.verdict, StepVerdict::ok);
    EXPECT_EQ(report.name, "vacuum_into");
    EXPECT_EQ(number("PRAGMA freelist_count"), 0);
    EXPECT_EQ(number("PRAGMA page_size"), 1024);
    EXPECT_EQ(number("PRAGMA user_version"), 7);
    EXPECT_EQ(rows(), 25);
    EXPECT_EQ(std::to_integer<int>(read_file(image_.main_path())[18]),
              mode == std::string("wal") ? 2 : 1)
        << "the journal mode stays";
    EXPECT_EQ(names(), Names{"copy.db"});
  }
}

TEST_F(VacuumTest, ChangesThePageSizeWhereAsked) {
  for (const char* mode : {"delete", "wal"}) {
    for (const int size : {512, 4096, 65536}) {
      image_.discard();
      make_sparse(mode);
      EXPECT_EQ(run("vacuum_into=" + std::to_string(size)).verdict, StepVerdict::ok);
      EXPECT_EQ(number("PRAGMA page_size"), size) << mode;
      EXPECT_EQ(rows(), 25);
    }
  }
}

TEST_F(VacuumTest, RefusesWhatIsNoPageSize) {
  for (const char* argument : {"0", "256", "1000", "131072", "4096x", "-512", " 512", "4k"}) {
    EXPECT_THROW(static_cast<void>(registry_.step(std::string("vacuum_into=") + argument)), Error)
        << argument;
  }
}

TEST_F(VacuumTest, TakesTheWalAlong) {
  make_main_and_wal();
  EXPECT_EQ(run("vacuum_into").verdict, StepVerdict::ok);
  EXPECT_EQ(names(), Names{"copy.db"});
  EXPECT_EQ(rows(), 101);
}

TEST_F(VacuumTest, AnEmptyCopyStaysOne) {
  test::write_text(image_.main_path(), "");
  EXPECT_EQ(run("vacuum_into").verdict, StepVerdict::ok);
  EXPECT_EQ(names(), Names{"copy.db"});
}

TEST_F(VacuumTest, WhatCannotBeReadIsDamageAndLeavesTheCopy) {
  make_main("delete");
  auto bytes = read_file(image_.main_path());
  std::fill(bytes.begin() + 1 * 1024, bytes.end(), std::byte{0x5a});
  write_file(image_.main_path(), bytes);
  EXPECT_EQ(run("vacuum_into").verdict, StepVerdict::damaged);
  EXPECT_EQ(read_file(image_.main_path()), bytes);
  EXPECT_EQ(names(), Names{"copy.db"});
}

TEST_F(StepsTest, DigestIsThatOfTheFiles) {
  test::write_text(image_.main_path(), "abc");
  EXPECT_EQ(run("digest").verdict, StepVerdict::ok);
  ASSERT_TRUE(image_.digest);
  EXPECT_EQ(image_.digest->main,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(image_.digest->wal, "");
  test::write_text(image_.wal_path(), "");
  EXPECT_EQ(run("digest").verdict, StepVerdict::ok);
  EXPECT_EQ(image_.digest->wal, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  image_.discard();
  EXPECT_FALSE(image_.digest);
}

TEST_F(StepsTest, DigestMayBeOnlyReported) {
  EXPECT_TRUE(registry_.step("digest")->traits().publishes_digest);
  EXPECT_TRUE(registry_.step("digest=file")->traits().publishes_digest);
  EXPECT_FALSE(registry_.step("digest=report")->traits().publishes_digest);
  EXPECT_TRUE(registry_.step("digest=report")->traits().takes_digest);
  EXPECT_THROW(static_cast<void>(registry_.step("digest=md5")), Error);
}

TEST_F(StepsTest, DigestOfMoreThanOneBlock) {
  test::write_text(image_.main_path(), std::string((3U << 20U) + 5, 'x'));
  EXPECT_EQ(run("digest").verdict, StepVerdict::ok);
  EXPECT_EQ(image_.digest->main,
            "a76c39813c8098f2675f62c44590c7b65cda2c909c4b43377c5eea796a9b8414");
  EXPECT_EQ(context_.progress.done_bytes.load(), (3U << 20U) + 5);
}

TEST_F(StepsTest, OnlyIntegrityCheckReadsIndexesAgainstTheirTables) {
  make_main("delete");
  {
    sqlite::Connection connection(image_.main_path(), sqlite::OpenMode::read_write);
    // An index that lacks a row: its root page is replaced by an empty leaf.
    connection.execute(
        "PRAGMA writable_schema=ON; CREATE TABLE e(y); CREATE INDEX ie ON e(y);"
        "UPDATE sqlite_schema SET sql='CREATE INDEX ie ON t(x)', tbl_name='t'"
        " WHERE name='ie'");
  }
  EXPECT_EQ(run("integrity_check").verdict, StepVerdict::damaged);
}

TEST_F(StepsTest, TakesNoArgumentWhereThereIsNone) {
  EXPECT_THROW(static_cast<void>(registry_.step("quick_check=1")), Error);
}

}  // namespace
}  // namespace sqlbk::checkpoint
