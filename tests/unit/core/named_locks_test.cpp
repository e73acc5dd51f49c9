// SQLite's locks by name, as other processes hold them.
#include "sqlbk/core/named_locks.hpp"

#include <algorithm>
#include <fcntl.h>
#include <string>

#include <gtest/gtest.h>

#include "kit/temporary_directory.hpp"
#include "remote_sqlite.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/locks.hpp"
#include "sqlbk/format/wal_index.hpp"

namespace sqlbk {
namespace {

using test::RemoteSqlite;

class NamedLocksTest : public testing::Test {
 protected:
  void make(const std::string& mode) const {
    RemoteSqlite maker(path_);
    maker.run("PRAGMA journal_mode=" + mode + "; CREATE TABLE t(a); INSERT INTO t VALUES (1)");
    maker.stop();
  }
  std::vector<NamedLock> locks() const {
    const LiveFiles files(path_);
    return list_named_locks(files);
  }
  // "NAME MODE" of each, in order.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const NamedLock& lock : locks()) {
      names.push_back(std::string(lock.name) + (lock.is_write ? " write" : " read"));
    }
    return names;
  }
  UniqueFd locked(const std::string& suffix, short type, std::uint64_t first,
                  std::uint64_t length) const {
    UniqueFd fd = open_at(AT_FDCWD, path_ + suffix, O_RDWR, 0, path_);
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(first);
    lock.l_len = static_cast<off_t>(length);
    EXPECT_EQ(::fcntl(fd.get(), F_OFD_SETLK, &lock), 0);
    return fd;
  }

  kit::TemporaryDirectory directory_;
  std::string path_ = directory_.file("source.db");
};

using Names = std::vector<std::string>;

TEST_F(NamedLocksTest, NobodyHoldsAny) {
  make("delete");
  EXPECT_EQ(names(), Names{});
}

TEST_F(NamedLocksTest, AHolderIsNamed) {
  make("delete");
  RemoteSqlite reader(path_);
  reader.run("BEGIN; SELECT * FROM t");
  const std::vector<NamedLock> found = locks();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].file, SourceFile::main);
  EXPECT_EQ(found[0].name, "SHARED");
  EXPECT_FALSE(found[0].is_write);
  EXPECT_EQ(found[0].pid, reader.pid());
  EXPECT_EQ(found[0].program, "test-sqlite");
}

TEST_F(NamedLocksTest, EveryReaderIsThere) {
  make("delete");
  RemoteSqlite one(path_);
  RemoteSqlite two(path_);
  one.run("BEGIN; SELECT * FROM t");
  two.run("BEGIN; SELECT * FROM t");
  const std::vector<NamedLock> found = locks();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].pid, std::min(one.pid(), two.pid()));
  EXPECT_EQ(found[1].pid, std::max(one.pid(), two.pid()));
}

TEST_F(NamedLocksTest, AWriterThatHasNotWritten) {
  make("delete");
  RemoteSqlite writer(path_);
  writer.run("BEGIN IMMEDIATE");
  EXPECT_EQ(names(), (Names{"RESERVED write", "SHARED read"}));
}

// The kernel makes one range of the three.
TEST_F(NamedLocksTest, AWriterThatWrites) {
  make("delete");
  RemoteSqlite writer(path_);
  writer.run("BEGIN EXCLUSIVE");
  EXPECT_EQ(names(), (Names{"PENDING write", "RESERVED write", "EXCLUSIVE write"}));
}

TEST_F(NamedLocksTest, AWalOwner) {
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("BEGIN; SELECT * FROM t");
  EXPECT_EQ(names(), (Names{"SHARED read", "WAL_READ0 read", "DMS read"}));
  owner.run("INSERT INTO t VALUES (2)");
  const Names writing = names();
  EXPECT_NE(std::ranges::find(writing, "WAL_WRITE write"), writing.end());
}

TEST_F(NamedLocksTest, EveryByteOfTheWalIndexHasItsName) {
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("SELECT * FROM t");
  const Names expected{"WAL_WRITE", "WAL_CKPT",  "WAL_RECOVER", "WAL_READ0",
                       "WAL_READ1", "WAL_READ2", "WAL_READ3",   "WAL_READ4"};
  for (std::uint64_t i = 0; i < expected.size(); ++i) {
    const UniqueFd holder = locked("-shm", F_WRLCK, format::kWalWriteLockByte + i, 1);
    EXPECT_EQ(names(), (Names{"SHARED read", expected[i] + " write", "DMS read"}));
  }
}

TEST_F(NamedLocksTest, OneByteOfSharedIsShared) {
  make("delete");
  const UniqueFd one = locked("", F_RDLCK, kSharedFirstByte, 1);
  const UniqueFd other = locked("", F_RDLCK, kSharedFirstByte + 5, 1);
  const std::vector<NamedLock> found = locks();
  ASSERT_EQ(found.size(), 1U) << "nobody is told from nobody";
  EXPECT_EQ(found[0].name, "SHARED");
  EXPECT_EQ(found[0].pid, -1);
  EXPECT_EQ(found[0].program, "");
}

TEST_F(NamedLocksTest, OtherBytesAreNotSqlites) {
  make("delete");
  const UniqueFd below = locked("", F_WRLCK, 0, kPendingByte);
  const UniqueFd above = locked("", F_WRLCK, kSharedFirstByte + kSharedSizeBytes, 0);
  EXPECT_EQ(names(), Names{});
}

}  // namespace
}  // namespace sqlbk
