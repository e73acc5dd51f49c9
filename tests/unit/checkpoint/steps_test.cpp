// Each built-in step on images that are folded, unfolded, healthy and damaged.
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "kit/temporary_directory.hpp"
#include "sqlbk/checkpoint/builtin.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/registry.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "support/files.hpp"
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
