// The image that a strategy has filled, made into what was asked for.
#include "settle.hpp"

#include <fcntl.h>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "database.hpp"
#include "errors.hpp"
#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "remote_sqlite.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/wal_scan.hpp"
#include "test_context.hpp"

namespace sqlbk {
namespace {

using test::Buffer;
using test::Database;
using test::is_there;
using test::read_file;
using test::RemoteSqlite;

class SettleTest : public testing::Test {
 protected:
  SettleTest() { std::filesystem::create_directory(directory_.file("stage")); }

  // A WAL database as a killed owner leaves it: one row in main, two more in the WAL, and frames
  // behind its last commit.
  void make_wal_source() const {
    RemoteSqlite owner(source_);
    owner.run("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=OFF");
    owner.run("CREATE TABLE t(a, b); INSERT INTO t VALUES (1, NULL); PRAGMA wal_checkpoint");
    owner.run("INSERT INTO t VALUES (2, NULL); INSERT INTO t VALUES (3, zeroblob(9000))");
    owner.run("PRAGMA cache_size=2; BEGIN; INSERT INTO t VALUES (4, zeroblob(90000))");
    owner.kill();
  }
  void put(int fd, const Buffer& bytes) const { write_all(fd, bytes, 0, "image"); }
  // What a strategy does: the bytes, and how much of the WAL counts.
  void fill_from_source() {
    put(image_.main_fd(), read_file(source_));
    if (is_there(source_ + "-wal")) {
      put(image_.wal_fd(), read_file(source_ + "-wal"));
      image_.wal_prefix = scan_wal(image_.wal_fd(), image_.wal_path(), context_.context).committed;
    }
    if (is_there(source_ + "-journal")) {
      put(image_.journal_fd(), read_file(source_ + "-journal"));
    }
  }
  void settle(ImageForm form, JournalMode mode) {
    CopyRequest request;
    request.copy.form = form;
    request.journal_mode = mode;
    state_ = settle_image(image_, request, context_.context);
  }
  std::string rows_in_copy() const {
    Database copy(image_.main_path());
    EXPECT_EQ(copy.text("PRAGMA integrity_check"), "ok");
    return copy.text("SELECT group_concat(a) FROM t");
  }
  std::string journal_mode_of_copy() const {
    return Database(image_.main_path()).text("PRAGMA journal_mode");
  }

  kit::TemporaryDirectory directory_;
  std::string source_ = directory_.file("source.db");
  StagedImage image_{directory_.file("stage")};
  test::TestContext context_;
  SettledState state_;
};

TEST_F(SettleTest, TheWalIsFoldedIntoOneFile) {
  make_wal_source();
  fill_from_source();
  settle(ImageForm::folded, JournalMode::rollback);
  EXPECT_EQ(test::names_in(image_.directory()), std::vector<std::string>{"copy.db"});
  EXPECT_TRUE(image_.folded);
  EXPECT_FALSE(image_.wal_prefix);
  EXPECT_EQ(journal_mode_of_copy(), "delete");
  EXPECT_EQ(rows_in_copy(), "1,2,3");
  EXPECT_EQ(state_.page_size_bytes, 4096U);
  EXPECT_TRUE(state_.warnings.empty());
  EXPECT_EQ(context_.progress.phase.load(), Phase::fold);
  EXPECT_EQ(context_.progress.done_bytes.load(), context_.progress.total_bytes.load());
}

TEST_F(SettleTest, TheJournalModeIsTheOneAskedFor) {
  make_wal_source();
  for (const auto& [mode, name] : {std::pair{JournalMode::wal, "wal"},
                                   {JournalMode::keep, "wal"},
                                   {JournalMode::rollback, "delete"}}) {
    image_.discard();
    fill_from_source();
    settle(ImageForm::folded, mode);
    EXPECT_EQ(journal_mode_of_copy(), name);
  }
}

TEST_F(SettleTest, AKeptWalIsCutToItsCommittedPrefix) {
  make_wal_source();
  fill_from_source();
  const WalPrefix prefix = *image_.wal_prefix;
  const std::uint64_t wanted =
      format::wal_frame_offset(prefix.frames + 1, prefix.header.page_size_bytes);
  const Buffer main = read_file(source_);
  Buffer wal = read_file(source_ + "-wal");
  ASSERT_GT(wal.size(), wanted) << "frames behind the commit";
  wal.resize(wanted);
  settle(ImageForm::main_and_wal, JournalMode::keep);
  EXPECT_TRUE(read_file(image_.main_path()) == main);
  EXPECT_TRUE(read_file(image_.wal_path()) == wal);
  EXPECT_EQ(state_.page_size_bytes, 4096U);
  EXPECT_EQ(rows_in_copy(), "1,2,3");
}

// Chromium's files are larger than their databases: without a WAL nobody would cut them.
TEST_F(SettleTest, AKeptWalThatHoldsNothingIsFolded) {
  make_wal_source();
  std::filesystem::resize_file(source_ + "-wal", 32);
  const std::uint64_t size = std::filesystem::file_size(source_);
  std::filesystem::resize_file(source_, size + 32768);
  fill_from_source();
  ASSERT_EQ(image_.wal_prefix->frames, 0U);
  settle(ImageForm::main_and_wal, JournalMode::wal);
  EXPECT_EQ(test::names_in(image_.directory()), std::vector<std::string>{"copy.db"});
  EXPECT_EQ(std::filesystem::file_size(image_.main_path()), size);
  EXPECT_EQ(journal_mode_of_copy(), "wal");
  EXPECT_EQ(rows_in_copy(), "1");
}

TEST_F(SettleTest, FramesWithoutChecksumsCannotBeKept) {
  make_wal_source();
  fill_from_source();
  image_.wal_prefix->vouched_by_index = true;
  settle(ImageForm::main_and_wal, JournalMode::keep);
  EXPECT_EQ(test::names_in(image_.directory()), std::vector<std::string>{"copy.db"});
  EXPECT_EQ(state_.warnings.size(), 1U);
  EXPECT_EQ(journal_mode_of_copy(), "wal");
  EXPECT_EQ(rows_in_copy(), "1,2,3");
}

TEST_F(SettleTest, WithoutAWalMainIsCutToItsSize) {
  { Database(source_).run("CREATE TABLE t(a); INSERT INTO t VALUES (7)"); }
  const std::uint64_t size = std::filesystem::file_size(source_);
  std::filesystem::resize_file(source_, size + 10'000);
  for (const ImageForm form : {ImageForm::folded, ImageForm::main_and_wal}) {
    image_.discard();
    fill_from_source();
    settle(form, JournalMode::rollback);
    EXPECT_EQ(std::filesystem::file_size(image_.main_path()), size);
    EXPECT_EQ(rows_in_copy(), "7");
  }
}

// What sqlite3_backup or VACUUM INTO made is whole.
TEST_F(SettleTest, AFoldedImageIsLeftAsItIs) {
  { Database(source_).run("CREATE TABLE t(a); INSERT INTO t VALUES (7)"); }
  fill_from_source();
  image_.folded = true;
  settle(ImageForm::folded, JournalMode::keep);
  EXPECT_TRUE(read_file(image_.main_path()) == read_file(source_));
}

TEST_F(SettleTest, AHotJournalIsRolledBackOnTheCopy) {
  { Database(source_).run("CREATE TABLE t(a, b); INSERT INTO t VALUES (1, zeroblob(40000))"); }
  RemoteSqlite owner(source_);
  owner.run("PRAGMA synchronous=OFF; PRAGMA cache_size=2; BEGIN");
  owner.run("UPDATE t SET a = 2, b = randomblob(40000); INSERT INTO t VALUES (3, zeroblob(90000))");
  owner.kill();
  const Buffer main = read_file(source_);
  const Buffer journal = read_file(source_ + "-journal");
  fill_from_source();
  settle(ImageForm::folded, JournalMode::rollback);
  EXPECT_EQ(test::names_in(image_.directory()), std::vector<std::string>{"copy.db"});
  EXPECT_EQ(rows_in_copy(), "1");
  EXPECT_TRUE(read_file(source_) == main);
  EXPECT_TRUE(read_file(source_ + "-journal") == journal) << "the source is not rolled back";
}

// What SQLite reads from the same three files decides: the journal is played back, then the WAL
// counts.
TEST_F(SettleTest, AHotJournalBesideAWalWithCommits) {
  const std::string with_wal = directory_.file("with-wal.db");
  {
    Database(source_).run(
        "CREATE TABLE t(a, b); INSERT INTO t VALUES (1, zeroblob(40000)), (2, NULL)");
  }
  std::filesystem::copy_file(source_, with_wal);
  {
    RemoteSqlite owner(with_wal);
    owner.run("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0");
    owner.run("INSERT INTO t VALUES (3, NULL); INSERT INTO t VALUES (4, zeroblob(9000))");
    owner.kill();
  }
  {
    RemoteSqlite owner(source_);
    owner.run("PRAGMA synchronous=OFF; PRAGMA cache_size=2; BEGIN");
    owner.run("UPDATE t SET b = randomblob(40000); INSERT INTO t VALUES (5, zeroblob(90000))");
    owner.kill();
  }
  std::filesystem::rename(with_wal + "-wal", source_ + "-wal");
  const std::string oracle = directory_.file("oracle.db");
  for (const char* suffix : {"", "-wal", "-journal"}) {
    std::filesystem::copy_file(source_ + suffix, oracle + suffix);
  }
  constexpr const char* kContent = "SELECT group_concat(a || ':' || coalesce(hex(b), '')) FROM t";
  const std::string wanted = Database(oracle).text(kContent);
  ASSERT_TRUE(wanted.ends_with("4:" + std::string(18'000, '0'))) << "the WAL counts";
  for (const ImageForm form : {ImageForm::folded, ImageForm::main_and_wal}) {
    image_.discard();
    fill_from_source();
    ASSERT_GT(image_.wal_prefix->frames, 0U);
    const Buffer wal = read_file(source_ + "-wal");
    settle(form, form == ImageForm::folded ? JournalMode::rollback : JournalMode::keep);
    if (form == ImageForm::folded) {
      EXPECT_EQ(test::names_in(image_.directory()), std::vector<std::string>{"copy.db"});
    } else {
      EXPECT_EQ(test::names_in(image_.directory()),
                (std::vector<std::string>{"copy.db", "copy.db-wal"}));
      EXPECT_TRUE(read_file(image_.wal_path()) == wal);
    }
    EXPECT_EQ(Database(image_.main_path()).text(kContent), wanted);
    EXPECT_EQ(Database(image_.main_path()).text("PRAGMA integrity_check"), "ok");
  }
}

// The journal says that the database was empty; a WAL beside an empty one is deleted unread.
TEST_F(SettleTest, AHotJournalOfANewDatabaseBesideAnOldWal) {
  make_wal_source();
  std::filesystem::remove(source_);
  std::filesystem::remove(source_ + "-shm");
  std::filesystem::rename(source_ + "-wal", directory_.file("old-wal"));
  {
    RemoteSqlite owner(source_);
    owner.run("PRAGMA synchronous=OFF; PRAGMA cache_size=2; BEGIN; CREATE TABLE n(a)");
    owner.run("INSERT INTO n VALUES (zeroblob(90000))");
    owner.kill();
  }
  std::filesystem::rename(directory_.file("old-wal"), source_ + "-wal");
  ASSERT_GT(std::filesystem::file_size(source_), 0U);
  const std::string oracle = directory_.file("oracle.db");
  for (const char* suffix : {"", "-wal", "-journal"}) {
    std::filesystem::copy_file(source_ + suffix, oracle + suffix);
  }
  ASSERT_EQ(Database(oracle).integer("SELECT count(*) FROM sqlite_schema"), 0);
  for (const ImageForm form : {ImageForm::folded, ImageForm::main_and_wal}) {
    image_.discard();
    fill_from_source();
    ASSERT_GT(image_.wal_prefix->frames, 0U);
    settle(form, form == ImageForm::folded ? JournalMode::rollback : JournalMode::keep);
    EXPECT_EQ(test::names_in(image_.directory()), std::vector<std::string>{"copy.db"});
    EXPECT_EQ(Database(image_.main_path()).integer("SELECT count(*) FROM sqlite_schema"), 0);
  }
}

// SQLite leaves a journal alone that is not hot: strategies copy active ones only.
TEST_F(SettleTest, AJournalThatIsNotRolledBackIsAnError) {
  { Database(source_).run("CREATE TABLE t(a); INSERT INTO t VALUES (7)"); }
  test::write_file(source_ + "-journal", Buffer(512));
  fill_from_source();
  EXPECT_EQ(test::code_of([&] { settle(ImageForm::folded, JournalMode::rollback); }),
            Errc::sqlite_error);
}

TEST_F(SettleTest, AnEmptyDatabaseStaysEmpty) {
  test::write_text(source_, "");
  fill_from_source();
  settle(ImageForm::folded, JournalMode::rollback);
  EXPECT_EQ(std::filesystem::file_size(image_.main_path()), 0U);
  EXPECT_EQ(state_.page_size_bytes, 0U);
}

TEST_F(SettleTest, ATruncatedCopyIsDamaged) {
  { Database(source_).run("CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(20000))"); }
  std::filesystem::resize_file(source_, 8192);
  fill_from_source();
  EXPECT_EQ(test::code_of([&] { settle(ImageForm::folded, JournalMode::rollback); }),
            Errc::damaged);
}

TEST_F(SettleTest, NoDescriptorIsLeftOpen) {
  make_wal_source();
  fill_from_source();
  settle(ImageForm::main_and_wal, JournalMode::keep);
  EXPECT_FALSE(image_.has_wal()) << "SQLite opens the files next";
}

// ---- The image itself.

class StagedImageTest : public testing::Test {
 protected:
  kit::TemporaryDirectory directory_;
  StagedImage image_{directory_.path()};
};

TEST_F(StagedImageTest, FilesAreMadeAtTheFirstCall) {
  EXPECT_TRUE(test::names_in(directory_.path()).empty());
  EXPECT_FALSE(image_.has_wal() || image_.has_journal());
  const int main = image_.main_fd();
  EXPECT_EQ(image_.main_fd(), main);
  static_cast<void>(image_.wal_fd());
  static_cast<void>(image_.journal_fd());
  EXPECT_TRUE(image_.has_wal() && image_.has_journal());
  EXPECT_EQ(test::names_in(directory_.path()),
            (std::vector<std::string>{"copy.db", "copy.db-journal", "copy.db-wal"}));
  EXPECT_EQ(::fcntl(main, F_GETFL) & O_ACCMODE, O_RDWR);
}

TEST_F(StagedImageTest, DiscardRemovesEverything) {
  static_cast<void>(image_.main_fd());
  static_cast<void>(image_.wal_fd());
  static_cast<void>(image_.journal_fd());
  test::write_text(image_.main_path() + "-shm", "x");
  image_.wal_prefix = WalPrefix{};
  image_.folded = true;
  image_.discard();
  EXPECT_TRUE(test::names_in(directory_.path()).empty());
  EXPECT_FALSE(image_.wal_prefix || image_.folded || image_.has_wal() || image_.has_journal());
  image_.discard();
  const int fd = image_.main_fd();
  EXPECT_EQ(stat_of(fd, "").size_bytes, 0U);
}

TEST_F(StagedImageTest, AllButMainCanBeDiscarded) {
  write_all(image_.main_fd(), std::as_bytes(std::span("x", 1)), 0, "main");
  static_cast<void>(image_.wal_fd());
  static_cast<void>(image_.journal_fd());
  image_.wal_prefix = WalPrefix{};
  image_.folded = true;
  image_.discard_all_but_main();
  EXPECT_EQ(test::names_in(directory_.path()), std::vector<std::string>{"copy.db"});
  EXPECT_EQ(test::read_text(image_.main_path()), "x");
  EXPECT_FALSE(image_.wal_prefix || image_.folded || image_.has_wal() || image_.has_journal());
}

TEST_F(StagedImageTest, TheWalAloneCanBeDiscarded) {
  static_cast<void>(image_.main_fd());
  static_cast<void>(image_.wal_fd());
  image_.wal_prefix = WalPrefix{};
  image_.folded = true;
  image_.discard_wal();
  EXPECT_EQ(test::names_in(directory_.path()), std::vector<std::string>{"copy.db"});
  EXPECT_FALSE(image_.wal_prefix || image_.has_wal());
  EXPECT_TRUE(image_.folded);
  image_.discard_wal();
}

TEST_F(StagedImageTest, ClosedFilesAreOpenedAnewWithTheirContent) {
  write_all(image_.main_fd(), std::as_bytes(std::span("x", 1)), 0, "main");
  image_.close_files();
  EXPECT_EQ(stat_of(image_.main_fd(), "").size_bytes, 1U);
}

// Somebody who could put a link there could have the copy written elsewhere.
TEST_F(StagedImageTest, LinksAreNotFollowed) {
  std::filesystem::create_symlink(directory_.file("elsewhere"), image_.main_path());
  EXPECT_EQ(test::code_of([&] { static_cast<void>(image_.main_fd()); }), Errc::io_error);
  EXPECT_FALSE(is_there(directory_.file("elsewhere")));
}

}  // namespace
}  // namespace sqlbk
