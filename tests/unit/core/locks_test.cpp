// SQLite's locks as another process holds them, asked for without taking any.
#include "sqlbk/core/locks.hpp"

#include <algorithm>
#include <fcntl.h>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "errors.hpp"
#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "linux/locks.hpp"
#include "process.hpp"
#include "remote_sqlite.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/live_files.hpp"
#include "sqlbk/format/wal_index.hpp"

namespace sqlbk {
namespace {

using test::RemoteSqlite;

constexpr std::uint64_t kShmReadLock0 = 123;

// An open file description lock of our own: no SQLite connection, no process to be named.
void lock_range(int fd, short type, std::uint64_t first, std::uint64_t length) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(first);
  lock.l_len = static_cast<off_t>(length);
  ASSERT_EQ(::fcntl(fd, F_OFD_SETLK, &lock), 0);
}

class LocksTest : public testing::Test {
 protected:
  void make(const std::string& mode) const {
    RemoteSqlite maker(path_);
    maker.run("PRAGMA journal_mode=" + mode + "; CREATE TABLE t(a); INSERT INTO t VALUES (1)");
    maker.stop();
  }
  LockState state() const {
    const LiveFiles files(path_);
    return lock_state(files);
  }
  UniqueFd open_again(const char* suffix = "") const {
    return open_at(AT_FDCWD, path_ + suffix, O_RDWR, 0, path_);
  }

  kit::TemporaryDirectory directory_;
  std::string path_ = directory_.file("source.db");
};

void expect_held_by(const std::optional<LockHolder>& holder, const RemoteSqlite& process,
                    bool is_write) {
  ASSERT_TRUE(holder);
  EXPECT_EQ(holder->pid, process.pid());
  EXPECT_EQ(holder->is_write, is_write);
}

TEST_F(LocksTest, NobodyHoldsAny) {
  make("delete");
  const LockState found = state();
  EXPECT_FALSE(found.shared || found.writer || found.reserved || found.exclusive || found.dms);
  EXPECT_FALSE(found.any());
}

TEST_F(LocksTest, AReaderHoldsShared) {
  make("delete");
  RemoteSqlite reader(path_);
  reader.run("BEGIN; SELECT * FROM t");
  const LockState found = state();
  expect_held_by(found.shared, reader, false);
  EXPECT_FALSE(found.writer || found.reserved || found.exclusive || found.dms);
  EXPECT_TRUE(found.any());
  reader.run("COMMIT");
  EXPECT_FALSE(state().any()) << "a connection without a transaction holds nothing";
}

TEST_F(LocksTest, AWriterThatHasNotWrittenHoldsReserved) {
  make("delete");
  RemoteSqlite writer(path_);
  writer.run("BEGIN IMMEDIATE");
  const LockState found = state();
  expect_held_by(found.reserved, writer, true);
  expect_held_by(found.writer, writer, true);
  expect_held_by(found.shared, writer, false);
  EXPECT_FALSE(found.exclusive);
}

TEST_F(LocksTest, AWriterThatWaitsForReadersHoldsPending) {
  make("delete");
  RemoteSqlite reader(path_);
  RemoteSqlite writer(path_);
  reader.run("BEGIN; SELECT * FROM t");
  ASSERT_EQ(writer.try_run("BEGIN; INSERT INTO t VALUES (2); COMMIT"), 5) << "SQLITE_BUSY";
  const LiveFiles files(path_);
  const auto pending =
      conflicting_lock(files.fd_of(SourceFile::main), kPendingByte, 1, true, path_);
  expect_held_by(pending, writer, true);
  const LockState found = lock_state(files);
  expect_held_by(found.writer, writer, true);
  expect_held_by(found.reserved, writer, true);
  EXPECT_TRUE(found.shared);
  EXPECT_FALSE(found.exclusive);
}

TEST_F(LocksTest, AWriterThatWritesHoldsExclusive) {
  make("delete");
  RemoteSqlite writer(path_);
  writer.run("BEGIN EXCLUSIVE");
  const LockState found = state();
  expect_held_by(found.exclusive, writer, true);
  expect_held_by(found.writer, writer, true);
  expect_held_by(found.shared, writer, true);
}

TEST_F(LocksTest, AnExclusiveOwnerKeepsItsLocksBetweenTransactions) {
  make("delete");
  RemoteSqlite owner(path_);
  owner.run("PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t VALUES (2)");
  const LockState found = state();
  expect_held_by(found.exclusive, owner, true);
  expect_held_by(found.reserved, owner, true);
}

TEST_F(LocksTest, AWalConnectionHoldsSharedAndDms) {
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("SELECT * FROM t");
  const LockState found = state();
  expect_held_by(found.shared, owner, false);
  expect_held_by(found.dms, owner, false);
  EXPECT_FALSE(found.writer || found.reserved || found.exclusive);
  owner.run("BEGIN IMMEDIATE");
  EXPECT_FALSE(state().writer) << "a WAL writer locks the wal-index, not the main file";
  owner.stop();
  EXPECT_FALSE(state().any());
}

TEST_F(LocksTest, AnExclusiveWalOwnerHasNoWalIndex) {
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t VALUES (2)");
  const LockState found = state();
  expect_held_by(found.exclusive, owner, true);
  EXPECT_FALSE(found.dms);
}

TEST_F(LocksTest, LeftoversOfADeadOwnerHoldNothing) {
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("INSERT INTO t VALUES (2)");
  owner.kill();
  ASSERT_TRUE(test::is_there(path_ + "-shm"));
  EXPECT_FALSE(state().any());
}

// Readers take PENDING for a moment on their way to SHARED: that makes no writer of them.
TEST_F(LocksTest, AReadLockOnPendingIsNoWriter) {
  make("delete");
  const UniqueFd reader = open_again();
  lock_range(reader.get(), F_RDLCK, kPendingByte, 1);
  EXPECT_FALSE(state().writer);
  lock_range(reader.get(), F_WRLCK, kPendingByte, 1);
  EXPECT_TRUE(state().writer);
}

TEST_F(LocksTest, OpenFileDescriptionLocksCountButNameNobody) {
  make("delete");
  const UniqueFd holder = open_again();
  lock_range(holder.get(), F_RDLCK, kSharedFirstByte, kSharedSizeBytes);
  const LockState found = state();
  ASSERT_TRUE(found.shared);
  EXPECT_EQ(found.shared->pid, -1);
  EXPECT_FALSE(found.shared->is_write);
}

// The bytes on either side of each lock byte belong to others.
TEST_F(LocksTest, TheRangesAreExact) {
  make("delete");
  const auto seen = [&](std::uint64_t byte) {
    const UniqueFd holder = open_again();
    lock_range(holder.get(), F_WRLCK, byte, 1);
    const LockState found = state();
    return std::string(found.writer ? "w" : "-") + (found.reserved ? "r" : "-") +
           (found.exclusive ? "x" : "-") + (found.shared ? "s" : "-");
  };
  EXPECT_EQ(seen(0x3fffffff), "----");
  EXPECT_EQ(seen(0x40000000), "w---");
  EXPECT_EQ(seen(0x40000001), "wr--");
  EXPECT_EQ(seen(0x40000002), "w-xs");
  EXPECT_EQ(seen(0x400001ff), "w-xs");
  EXPECT_EQ(seen(0x40000200), "----");
}

TEST_F(LocksTest, AnotherCopyIsNotSeen) {
  make("delete");
  const UniqueFd copy = open_again();
  lock_range(copy.get(), F_RDLCK, kCopySharedByte, 1);
  EXPECT_FALSE(state().any());
  const UniqueFd owner = open_again();
  lock_range(owner.get(), F_RDLCK, kSharedFirstByte, kSharedSizeBytes);
  EXPECT_TRUE(state().shared);
}

TEST_F(LocksTest, OnlyTheDmsByteIsDms) {
  make("wal");
  test::write_file(path_ + "-shm", test::Buffer(32768));
  for (const auto& [byte, is_dms] : {std::pair{127U, false}, {128U, true}, {129U, false}}) {
    const UniqueFd holder = open_again("-shm");
    lock_range(holder.get(), F_RDLCK, byte, 1);
    EXPECT_EQ(state().dms.has_value(), is_dms) << byte;
  }
}

TEST_F(LocksTest, AskingTakesNoLock) {
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("BEGIN; SELECT * FROM t");
  const std::size_t on_main = test::locks_on(path_);
  const std::size_t on_shm = test::locks_on(path_ + "-shm");
  ASSERT_GT(on_main, 0U);
  ASSERT_GT(on_shm, 0U);
  {
    const LiveFiles files(path_);
    static_cast<void>(lock_state(files));
    static_cast<void>(list_locks(files));
    static_cast<void>(
        conflicting_lock(files.fd_of(SourceFile::shm), kShmReadLock0, 1, false, path_));
    EXPECT_EQ(test::locks_on(path_), on_main);
    EXPECT_EQ(test::locks_on(path_ + "-shm"), on_shm);
    EXPECT_TRUE(test::own_posix_locks().empty());
    // While we have it open and asked: a writer gets in, and a checkpointer, too.
    EXPECT_EQ(owner.run("COMMIT; INSERT INTO t VALUES (3); PRAGMA wal_checkpoint(TRUNCATE)"), "0");
  }
  owner.stop();
}

TEST_F(LocksTest, ADescriptorThatCannotBeAskedIsAnError) {
  const auto error = test::error_of([] { conflicting_lock(-1, 0, 1, false, "some.db"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Errc::io_error);
  EXPECT_EQ(error->os_errno(), EBADF);
  EXPECT_EQ(error->path(), "some.db");
}

TEST_F(LocksTest, RowsNameTheProgramAndTheBytes) {
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("BEGIN IMMEDIATE; INSERT INTO t VALUES (2)");
  const LiveFiles files(path_);
  const std::vector<LockRow> rows = list_locks(files);
  const auto row = [&](SourceFile file, std::uint64_t first, std::uint64_t last) {
    const auto found = std::ranges::find_if(rows, [&](const LockRow& candidate) {
      return candidate.file == file && candidate.first_byte == first && candidate.last_byte == last;
    });
    return found == rows.end() ? nullptr : &*found;
  };
  const LockRow* shared = row(SourceFile::main, kSharedFirstByte, kSharedFirstByte + 509);
  ASSERT_NE(shared, nullptr);
  EXPECT_EQ(shared->holder.pid, owner.pid());
  EXPECT_FALSE(shared->holder.is_write);
  EXPECT_EQ(shared->program, "test-sqlite");
  const LockRow* write = row(SourceFile::shm, format::kWalWriteLockByte, format::kWalWriteLockByte);
  ASSERT_NE(write, nullptr);
  EXPECT_TRUE(write->holder.is_write);
  EXPECT_NE(row(SourceFile::shm, format::kWalDmsLockByte, format::kWalDmsLockByte), nullptr);
}

TEST_F(LocksTest, LocksOfThisProcessAreKnown) {
  make("delete");
  const UniqueFd fd = open_again();
  EXPECT_FALSE(platform::process_holds_locks_on(fd.get()));
  {
    const UniqueFd ofd = open_again();
    lock_range(ofd.get(), F_RDLCK, 0, 1);
    EXPECT_FALSE(platform::process_holds_locks_on(fd.get())) << "close() drops no OFD lock";
  }
  struct flock lock {};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  ASSERT_EQ(::fcntl(fd.get(), F_SETLK, &lock), 0);
  EXPECT_TRUE(platform::process_holds_locks_on(fd.get()));
  const auto rows = platform::read_proc_locks();
  EXPECT_TRUE(std::ranges::any_of(rows, [&](const platform::ProcLock& row) {
    return row.pid == ::getpid() && row.is_posix && !row.is_write && row.first_byte == 0 &&
           row.last_byte == 0 && row.file.inode == test::inode_of(path_);
  }));
}

// "EOF" as the last byte: everything from the first on.
TEST_F(LocksTest, ALockWithoutAnEndReachesToTheLastByte) {
  make("delete");
  const UniqueFd fd = open_again();
  lock_range(fd.get(), F_WRLCK, 7, 0);
  const auto rows = platform::read_proc_locks();
  EXPECT_TRUE(std::ranges::any_of(rows, [&](const platform::ProcLock& row) {
    return row.file.inode == test::inode_of(path_) && row.is_write && !row.is_posix &&
           row.first_byte == 7 && row.last_byte == UINT64_MAX;
  }));
}

}  // namespace
}  // namespace sqlbk
