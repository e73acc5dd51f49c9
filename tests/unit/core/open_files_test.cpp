// Who has the files of a source open: other processes, threads with a table of their own, and what
// a user without rights may not see.
#include "sqlbk/core/open_files.hpp"

#include <algorithm>
#include <filesystem>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "process.hpp"
#include "remote_sqlite.hpp"

namespace sqlbk {
namespace {

using test::RemoteSqlite;

class OpenFilesTest : public testing::Test {
 protected:
  void make(const std::string& mode) const {
    RemoteSqlite maker(path_);
    maker.run("PRAGMA journal_mode=" + mode + "; CREATE TABLE t(a); INSERT INTO t VALUES (1)");
    maker.stop();
  }
  OpenFiles found() const {
    const LiveFiles files(path_);
    return list_open_files(files);
  }

  kit::TemporaryDirectory directory_;
  std::string path_ = directory_.file("source.db");
};

TEST_F(OpenFilesTest, NobodyHasThem) {
  make("delete");
  EXPECT_TRUE(found().users.empty()) << "descriptors of this process do not count";
}

TEST_F(OpenFilesTest, AnOwnerHasItsSidecarsOpen) {
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("INSERT INTO t VALUES (2)");
  const OpenFiles open = found();
  ASSERT_EQ(open.users.size(), 1U);
  EXPECT_EQ(open.users[0].pid, owner.pid());
  EXPECT_EQ(open.users[0].program, "test-sqlite");
  EXPECT_EQ(open.users[0].files, (std::vector{SourceFile::main, SourceFile::wal, SourceFile::shm}));
  owner.stop();
  EXPECT_TRUE(found().users.empty());
}

TEST_F(OpenFilesTest, AJournalIsOneOfThem) {
  make("delete");
  RemoteSqlite owner(path_);
  owner.run("BEGIN; INSERT INTO t VALUES (2)");
  const OpenFiles open = found();
  ASSERT_EQ(open.users.size(), 1U);
  EXPECT_EQ(open.users[0].files, (std::vector{SourceFile::main, SourceFile::journal}));
}

TEST_F(OpenFilesTest, TwoOwnersAreInTheOrderOfTheirNumbers) {
  make("delete");
  RemoteSqlite one(path_);
  RemoteSqlite two(path_);
  one.run("SELECT * FROM t");
  two.run("SELECT * FROM t");
  const OpenFiles open = found();
  ASSERT_EQ(open.users.size(), 2U);
  EXPECT_EQ(open.users[0].pid, std::min(one.pid(), two.pid()));
  EXPECT_EQ(open.users[1].pid, std::max(one.pid(), two.pid()));
}

// A file of that name is not enough, and neither is another name of the file too little.
TEST_F(OpenFilesTest, TheFileCountsAndNotItsName) {
  make("delete");
  const std::string other = directory_.file("other.db");
  std::filesystem::create_hard_link(path_, other);
  RemoteSqlite owner(other);
  owner.run("SELECT * FROM t");
  EXPECT_EQ(found().users.size(), 1U);
  std::filesystem::rename(path_, directory_.file("moved.db"));
  test::write_text(path_, "");
  EXPECT_TRUE(found().users.empty());
}

TEST_F(OpenFilesTest, WhoMayNotLookIsTold) {
  make("delete");
  RemoteSqlite owner(path_);
  owner.run("SELECT * FROM t");
  if (::geteuid() != 0) GTEST_SKIP() << "only root can lose its rights";
  std::filesystem::permissions(directory_.path(), std::filesystem::perms::all);
  std::filesystem::permissions(path_, std::filesystem::perms::all);
  EXPECT_EQ(test::in_child([this] {
              test::drop_privileges();
              const OpenFiles open = found();
              return open.users.empty() && open.unseen_processes > 0 ? 0 : 1;
            }),
            0);
}

TEST(ProgramOf, IsWhatTheSystemCallsIt) {
  EXPECT_EQ(program_of(::getpid()), "unit-core");
  EXPECT_EQ(program_of(-1), "");
}

}  // namespace
}  // namespace sqlbk
