#include "sqlbk/core/io.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "errors.hpp"
#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "process.hpp"
#include "scoped_sys.hpp"

namespace sqlbk {
namespace {

using test::code_of;
using test::error_of;
using test::ScopedSys;

// What the table's entries remember: plain function pointers cannot.
struct Script {
  int calls = 0;
  int interruptions = 0;  // calls that fail with EINTR before one goes through
  std::size_t most = 1;   // bytes that one call moves
  int fails_with = 0;     // errno of every call, if not 0
  bool returns_zero = false;
};
Script script;

bool refuse() {
  ++script.calls;
  if (script.interruptions > 0) {
    --script.interruptions;
    errno = EINTR;
    return true;
  }
  errno = script.fails_with;
  return script.fails_with != 0;
}

class IoTest : public testing::Test {
 protected:
  IoTest() { script = {}; }
  UniqueFd file_with(const std::string& text) const {
    test::write_text(path_, text);
    return open_at(AT_FDCWD, path_, O_RDWR, 0, path_);
  }
  static std::span<const std::byte> bytes(const std::string& text) {
    return std::as_bytes(std::span(text));
  }

  kit::TemporaryDirectory directory_;
  std::string path_ = directory_.file("file");
};

// ---- Reading and writing.

TEST_F(IoTest, ReadsToTheEndOfTheBufferOrTheFile) {
  const UniqueFd fd = file_with("0123456789");
  std::string buffer(4, '-');
  EXPECT_EQ(read_up_to(fd.get(), std::as_writable_bytes(std::span(buffer)), 3, path_), 4U);
  EXPECT_EQ(buffer, "3456");
  EXPECT_EQ(read_up_to(fd.get(), std::as_writable_bytes(std::span(buffer)), 8, path_), 2U);
  EXPECT_EQ(read_up_to(fd.get(), std::as_writable_bytes(std::span(buffer)), 10, path_), 0U);
  EXPECT_EQ(read_up_to(fd.get(), {}, 0, path_), 0U);
}

TEST_F(IoTest, ShortAndInterruptedReadsGoOn) {
  const UniqueFd fd = file_with("0123456789");
  ScopedSys sys;
  sys->pread = [](int file, void* buffer, std::size_t size, off_t offset) -> ssize_t {
    if (refuse()) return -1;
    script.interruptions = 1;  // every second call
    return real_sys().pread(file, buffer, std::min(size, script.most), offset);
  };
  script.interruptions = 3;
  std::string buffer(20, '-');
  EXPECT_EQ(read_up_to(fd.get(), std::as_writable_bytes(std::span(buffer)), 1, path_), 9U);
  EXPECT_EQ(buffer.substr(0, 9), "123456789");
  EXPECT_GE(script.calls, 9 + 9 + 3);
}

TEST_F(IoTest, AFailedReadIsAnError) {
  const UniqueFd fd = file_with("0123");
  ScopedSys sys;
  sys->pread = [](int, void*, std::size_t, off_t) -> ssize_t { return refuse() ? -1 : 0; };
  script.fails_with = EIO;
  std::array<std::byte, 4> buffer{};
  const auto error = error_of([&] { read_up_to(fd.get(), buffer, 0, path_); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Errc::io_error);
  EXPECT_EQ(error->os_errno(), EIO);
  EXPECT_EQ(error->path(), path_);
}

TEST_F(IoTest, ShortAndInterruptedWritesGoOn) {
  const UniqueFd fd = file_with("----------");
  ScopedSys sys;
  sys->pwrite = [](int file, const void* buffer, std::size_t size, off_t offset) -> ssize_t {
    if (refuse()) return -1;
    script.interruptions = 1;
    return real_sys().pwrite(file, buffer, std::min(size, script.most), offset);
  };
  script.most = 3;
  write_all(fd.get(), bytes("abcdefg"), 2, path_);
  EXPECT_EQ(test::read_text(path_), "--abcdefg-");
  EXPECT_EQ(script.calls, 5);
  write_all(fd.get(), {}, 0, path_);
  EXPECT_EQ(script.calls, 5) << "nothing to write, nothing done";
}

TEST_F(IoTest, AFailedWriteIsAnError) {
  const UniqueFd fd = file_with("");
  ScopedSys sys;
  sys->pwrite = [](int, const void*, std::size_t, off_t) -> ssize_t { return refuse() ? -1 : 0; };
  script.fails_with = ENOSPC;
  EXPECT_EQ(code_of([&] { write_all(fd.get(), bytes("x"), 0, path_); }), Errc::no_space);
  script.fails_with = 0;
  EXPECT_EQ(code_of([&] { write_all(fd.get(), bytes("x"), 0, path_); }), Errc::io_error)
      << "no byte and no error would be an endless loop";
}

// ---- Everything else repeats after EINTR, too.

TEST_F(IoTest, InterruptedOpenIsRepeated) {
  test::write_text(path_, "x");
  ScopedSys sys;
  sys->openat = [](int dir, const char* name, int flags, mode_t mode) {
    return refuse() ? -1 : real_sys().openat(dir, name, flags, mode);
  };
  script.interruptions = 2;
  const UniqueFd fd = open_at(AT_FDCWD, path_, O_RDONLY, 0, path_);
  EXPECT_TRUE(fd);
  EXPECT_EQ(script.calls, 3);
  EXPECT_NE(::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, 0) << "always";
}

TEST_F(IoTest, InterruptedTruncateAndSyncAreRepeated) {
  const UniqueFd fd = file_with("0123456789");
  ScopedSys sys;
  sys->ftruncate = [](int file, off_t size) {
    return refuse() ? -1 : real_sys().ftruncate(file, size);
  };
  sys->fsync = [](int file) { return refuse() ? -1 : real_sys().fsync(file); };
  script.interruptions = 2;
  truncate_to(fd.get(), 4, path_);
  EXPECT_EQ(test::read_text(path_), "0123");
  EXPECT_EQ(script.calls, 3);
  script = {};
  script.interruptions = 2;
  sync_file(fd.get(), path_);
  EXPECT_EQ(script.calls, 3);
  script = {};
  script.fails_with = EIO;
  EXPECT_EQ(code_of([&] { sync_file(fd.get(), path_); }), Errc::io_error);
  EXPECT_EQ(script.calls, 1) << "a failed sync is not tried again: the next may say yes wrongly";
  script.fails_with = EDQUOT;
  EXPECT_EQ(code_of([&] { truncate_to(fd.get(), 99, path_); }), Errc::no_space);
}

// ---- Syncs in pieces.

// The pieces that were asked for, and whether fsync() came after them.
struct Pieces {
  off_t started_to = 0;
  off_t waited_to = 0;
  off_t most_under_way = 0;
  int syncs = 0;
};
Pieces pieces;

class SyncInPieces : public IoTest {
 protected:
  SyncInPieces() {
    pieces = {};
    sys_->sync_file_range = [](int, off_t offset, off_t size, unsigned flags) {
      if (refuse()) return -1;
      off_t& reached = flags == SYNC_FILE_RANGE_WRITE ? pieces.started_to : pieces.waited_to;
      EXPECT_EQ(offset, reached) << "without a gap";
      reached = offset + size;
      pieces.most_under_way = std::max(pieces.most_under_way, pieces.started_to - pieces.waited_to);
      return 0;
    };
    sys_->fsync = [](int) {
      ++pieces.syncs;
      return 0;
    };
  }
  // Where this test has to wait for the processor, the disk looks busy: tried again then.
  void sync_whole_file() {
    for (int i = 0; i < 100 && pieces.started_to < kSize; ++i) {
      pieces = {};
      sync_in_pieces(fd_.get(), path_);
    }
  }
  ScopedSys sys_;
  static constexpr off_t kSize = (off_t{5} << 20) + 1;
  UniqueFd fd_ = file_with(std::string(kSize, 'x'));
};

TEST_F(SyncInPieces, TheWholeFileWithLittleUnderWay) {
  sync_whole_file();
  EXPECT_GE(pieces.started_to, kSize);
  EXPECT_LE(pieces.most_under_way, 1 << 20);
  EXPECT_EQ(pieces.syncs, 1) << "the metadata, and the disk's own cache";
}

TEST_F(SyncInPieces, AreRepeatedAfterEINTR) {
  script.interruptions = 2;
  sync_whole_file();
  EXPECT_GE(pieces.started_to, kSize);
}

// The kernel tells of a failed write once for each descriptor: fsync() would then say yes.
TEST_F(SyncInPieces, AFailureIsNotLeftToFsync) {
  for (const auto& [error, code] :
       {std::pair(EIO, Errc::io_error), std::pair(ENOSPC, Errc::no_space)}) {
    script.fails_with = error;
    EXPECT_EQ(code_of([&] { sync_in_pieces(fd_.get(), path_); }), code);
    EXPECT_EQ(pieces.syncs, 0);
  }
}

TEST_F(SyncInPieces, EndAtADiskThatIsBusyWithOthers) {
  sys_->sync_file_range = [](int, off_t, off_t, unsigned flags) {
    if (flags == SYNC_FILE_RANGE_WAIT_BEFORE) {
      ++script.calls;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return 0;
  };
  sync_in_pieces(fd_.get(), path_);
  EXPECT_EQ(script.calls, 1);
  EXPECT_EQ(pieces.syncs, 1) << "of all the rest";
}

// The kernel hands the errno of the disk on, and that may be one that else means "no such call".
TEST_F(SyncInPieces, AFailedWriteIsNoMissingCall) {
  sys_->sync_file_range = [](int, off_t, off_t, unsigned flags) {
    errno = EOPNOTSUPP;
    return flags == SYNC_FILE_RANGE_WAIT_BEFORE ? -1 : 0;
  };
  EXPECT_EQ(code_of([&] { sync_in_pieces(fd_.get(), path_); }), Errc::io_error);
  EXPECT_EQ(pieces.syncs, 0);
}

TEST_F(SyncInPieces, WhereThereIsNoSuchCallFsyncDoesAll) {
  for (const int error : {ENOSYS, EPERM}) {
    script = {};
    script.fails_with = error;
    pieces = {};
    sync_in_pieces(fd_.get(), path_);
    EXPECT_EQ(script.calls, 1);
    EXPECT_EQ(pieces.syncs, 1);
  }
}

TEST_F(IoTest, TruncateCanExtend) {
  const UniqueFd fd = file_with("01");
  truncate_to(fd.get(), 4, path_);
  EXPECT_EQ(test::read_text(path_), std::string("01\0\0", 4));
}

TEST_F(IoTest, CloseTellsOfAnEarlierFailureButNotOfAnInterruption) {
  ScopedSys sys;
  sys->close = [](int file) {
    const int result = real_sys().close(file);  // Linux closes in any case
    return refuse() ? -1 : result;
  };
  UniqueFd fd = file_with("");
  script.fails_with = EIO;
  EXPECT_EQ(code_of([&] { close_checked(fd, path_); }), Errc::io_error);
  EXPECT_FALSE(fd) << "closed all the same";
  EXPECT_EQ(code_of([&] { close_checked(fd, path_); }), std::nullopt) << "once is enough";
  fd = file_with("");
  script = {};
  script.interruptions = 1;
  EXPECT_EQ(code_of([&] { close_checked(fd, path_); }), std::nullopt);
  EXPECT_EQ(script.calls, 1) << "its number may be another's by now";
}

// ---- Looking at files.

TEST_F(IoTest, OpenErrorsSayWhatWasTried) {
  const auto missing = error_of([&] { open_at(AT_FDCWD, path_, O_RDONLY, 0, path_); });
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->os_errno(), ENOENT);
  EXPECT_TRUE(std::string(missing->what()).starts_with("unable to open")) << missing->what();
  test::write_text(path_, "");
  const auto exists =
      error_of([&] { open_at(AT_FDCWD, path_, O_WRONLY | O_CREAT | O_EXCL, 0600, path_); });
  ASSERT_TRUE(exists);
  EXPECT_TRUE(std::string(exists->what()).starts_with("unable to create")) << exists->what();
}

TEST_F(IoTest, StatSeesWhatStatSees) {
  const UniqueFd fd = file_with("12345");
  ASSERT_EQ(::fchmod(fd.get(), 0640), 0);
  struct stat raw {};
  ASSERT_EQ(::fstat(fd.get(), &raw), 0);
  const FileStat found = stat_of(fd.get(), path_);
  EXPECT_EQ(found.size_bytes, 5U);
  EXPECT_EQ(found.inode, raw.st_ino);
  EXPECT_EQ(found.device, raw.st_dev);
  EXPECT_EQ(found.mode, raw.st_mode);
  EXPECT_EQ(found.uid, ::geteuid());
  EXPECT_EQ(found.mtime_ns, raw.st_mtim.tv_sec * 1'000'000'000 + raw.st_mtim.tv_nsec);
  EXPECT_EQ(found.ctime_ns, raw.st_ctim.tv_sec * 1'000'000'000 + raw.st_ctim.tv_nsec);
  EXPECT_TRUE(found.is_regular());
  EXPECT_FALSE(found.is_directory());
  EXPECT_TRUE(stat_path(directory_.path())->is_directory());
  EXPECT_TRUE(found.unchanged(*stat_path(path_)));
  EXPECT_FALSE(found.same_file(*stat_path(directory_.path())));
}

TEST_F(IoTest, UnchangedLooksAtEverythingThatAWriteChanges) {
  const FileStat before{.device = 1, .inode = 2, .size_bytes = 3, .mtime_ns = 4, .ctime_ns = 5};
  EXPECT_TRUE(before.unchanged(before));
  for (const auto& change : std::vector<std::function<void(FileStat&)>>{
           [](FileStat& s) { ++s.device; }, [](FileStat& s) { ++s.inode; },
           [](FileStat& s) { ++s.size_bytes; }, [](FileStat& s) { ++s.mtime_ns; },
           [](FileStat& s) { ++s.ctime_ns; }}) {
    FileStat after = before;
    change(after);
    EXPECT_FALSE(after.unchanged(before));
  }
  FileStat read = before;
  ++read.atime_ns;
  EXPECT_TRUE(read.unchanged(before)) << "reading is no change";
}

TEST_F(IoTest, WhatIsNotThereIsNoError) {
  EXPECT_EQ(stat_path(path_), std::nullopt);
  test::write_text(path_, "");
  EXPECT_EQ(stat_path(path_ + "/below"), std::nullopt) << "ENOTDIR";
  std::filesystem::create_symlink("nowhere", directory_.file("dangling"));
  EXPECT_EQ(stat_path(directory_.file("dangling")), std::nullopt);
  EXPECT_TRUE(stat_at(AT_FDCWD, directory_.file("dangling"), AT_SYMLINK_NOFOLLOW, path_));
  EXPECT_EQ(stat_path(path_ + std::string(250, 'x')), std::nullopt) << "nothing can have that name";
  std::filesystem::create_symlink("loop", directory_.file("loop"));
  EXPECT_EQ(code_of([&] { stat_path(directory_.file("loop")); }), Errc::io_error) << "ELOOP is one";
}

// ---- Descriptors that close themselves.

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) != -1;
}

TEST_F(IoTest, UniqueFdClosesOnce) {
  int number = -1;
  {
    UniqueFd first = file_with("");
    number = first.get();
    UniqueFd second(std::move(first));
    EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): that it is empty is the promise
    EXPECT_EQ(second.get(), number);
    UniqueFd third = file_with("");
    const int other = third.get();
    third = std::move(second);
    EXPECT_FALSE(is_open(other)) << "assignment closes what was there";
    EXPECT_TRUE(is_open(number));
    UniqueFd& same = third;
    third = std::move(same);
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST_F(IoTest, AReleasedDescriptorIsTheCallers) {
  UniqueFd fd = file_with("");
  const int number = fd.release();
  EXPECT_FALSE(fd);
  EXPECT_TRUE(is_open(number));
  fd.reset();
  EXPECT_TRUE(is_open(number));
  EXPECT_EQ(::close(number), 0);
}

TEST(SysTable, ATestsTableIsInUseAsLongAsItIsInstalled) {
  EXPECT_EQ(&sys(), &real_sys());
  {
    const ScopedSys other;
    EXPECT_NE(&sys(), &real_sys());
  }
  EXPECT_EQ(&sys(), &real_sys());
}

}  // namespace
}  // namespace sqlbk
