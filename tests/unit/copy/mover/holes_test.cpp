// Holes of the input are holes of the output, and nothing else is lost for it.
#include "sqlbk/core/holes.hpp"

#include <algorithm>
#include <cerrno>

#include "mover/keeps_holes.hpp"
#include "mover/movers.hpp"
#include "mover_fixture.hpp"
#include "scoped_sys.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::copy {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

// Data, 5 MiB of hole, data, and 3 MiB of hole to its end.
class SparseFiles : public MoverFiles {
 public:
  SparseFiles() : MoverFiles(noise(kMiB)), content(noise(kMiB)) {
    write_all(in.get(), std::as_bytes(std::span(middle_)), 6 * kMiB, in_path);
    truncate_to(in.get(), 10 * kMiB, in_path);
    content.resize(10 * kMiB);
    content.replace(6 * kMiB, middle_.size(), middle_);
  }
  bool is_sparse() const { return may_have_holes(in.get(), in_path); }
  std::uint64_t space_of_copy() const { return stat_of(out.get(), out_path).allocated_bytes; }

 private:
  std::string middle_ = noise(kMiB, 7);

 public:
  std::string content;
};

class HolesOfEveryMover : public ::testing::TestWithParam<MakeMover> {
 protected:
  void SetUp() override {
    if (!files_.is_sparse()) GTEST_SKIP() << "no sparse files in $TMPDIR";
  }
  Moved move(std::uint64_t offset, std::uint64_t length) {
    return GetParam()()->move(files_.job(offset, length), run_.context);
  }
  SparseFiles files_;
  MoverRun run_;
};

#define SKIP_IF_UNSUPPORTED(moved)                                       \
  if ((moved).outcome == MoveOutcome::unsupported) {                     \
    GTEST_SKIP() << GetParam()()->name() << " does not work in $TMPDIR"; \
  }

TEST_P(HolesOfEveryMover, StayHoles) {
  const Moved moved = move(0, files_.content.size());
  SKIP_IF_UNSUPPORTED(moved)
  EXPECT_EQ(moved.bytes, files_.content.size());
  EXPECT_EQ(run_.progress.done_bytes.load(), files_.content.size());
  EXPECT_TRUE(files_.copied() == files_.content);
  // Two megabytes of data; file systems round up.
  EXPECT_LT(files_.space_of_copy(), 3 * kMiB);
}

TEST_P(HolesOfEveryMover, StayHolesWhateverTheRange) {
  const std::uint64_t ends = 10 * kMiB;
  for (const auto& [offset, length] : {std::pair{std::uint64_t{0}, UINT64_MAX},
                                       {kMiB, 2 * kMiB},
                                       {2 * kMiB + 1, 5 * kMiB + 77},
                                       {6 * kMiB, 9 * kMiB},
                                       {8 * kMiB, kMiB}}) {
    truncate_to(files_.out.get(), 0, files_.out_path);
    const Moved moved = move(offset, length);
    if (moved.outcome == MoveOutcome::unsupported) continue;
    const std::uint64_t size = std::min(length, ends - offset);
    EXPECT_EQ(moved.bytes, size) << offset;
    EXPECT_TRUE(files_.copied().substr(offset) == files_.content.substr(offset, size)) << offset;
    EXPECT_LT(files_.space_of_copy(), 3 * kMiB) << offset;
  }
}

TEST_P(HolesOfEveryMover, CoverWhatTheOutputHeld) {
  const std::string old = noise(8 * kMiB, 3);
  for (const auto& [offset, length] : {std::pair{std::uint64_t{0}, 10 * kMiB}, {kMiB, 6 * kMiB}}) {
    write_all(files_.out.get(), std::as_bytes(std::span(old)), 0, files_.out_path);
    const Moved moved = move(offset, length);
    if (moved.outcome == MoveOutcome::unsupported) continue;
    EXPECT_EQ(moved.bytes, length);
    const std::string copied = files_.copied();
    EXPECT_TRUE(copied.substr(offset, length) == files_.content.substr(offset, length)) << offset;
  }
}

// A file system that reports a hole where there is data, or a program that has just written there.
TEST_P(HolesOfEveryMover, AreReadBeforeTheyAreBelieved) {
  test::ScopedSys patch;
  patch->lseek = [](int, off_t, int) -> off_t {
    errno = ENXIO;  // no data behind the offset
    return -1;
  };
  const Moved moved = move(0, files_.content.size());
  SKIP_IF_UNSUPPORTED(moved)
  EXPECT_EQ(moved.bytes, files_.content.size());
  EXPECT_TRUE(files_.copied() == files_.content);
  EXPECT_LT(files_.space_of_copy(), 3 * kMiB);
}

TEST_P(HolesOfEveryMover, AreDataWhereTheFileSystemDoesNotTell) {
  test::ScopedSys patch;
  patch->lseek = [](int, off_t, int) -> off_t {
    errno = EINVAL;
    return -1;
  };
  const Moved moved = move(0, files_.content.size());
  SKIP_IF_UNSUPPORTED(moved)
  EXPECT_EQ(moved.bytes, files_.content.size());
  EXPECT_TRUE(files_.copied() == files_.content);
}

TEST_P(HolesOfEveryMover, EndWhereTheFileDoes) {
  static int in_fd;
  in_fd = files_.in.get();
  test::ScopedSys patch;
  // Shortened inside the first hole, after it was reported.
  patch->pread = [](int fd, void* buffer, std::size_t size, off_t offset) {
    if (fd == in_fd) static_cast<void>(::ftruncate(in_fd, 3 * 1024 * 1024 + 5));
    return ::pread(fd, buffer, size, offset);
  };
  const Moved moved = move(2 * kMiB, 8 * kMiB);
  SKIP_IF_UNSUPPORTED(moved)
  EXPECT_EQ(moved.bytes, kMiB + 5);
  EXPECT_EQ(stat_of(files_.out.get(), files_.out_path).size_bytes, 3 * kMiB + 5);
}

// Reflinks share holes by themselves, within one file system.
INSTANTIATE_TEST_SUITE_P(Movers, HolesOfEveryMover,
                         ::testing::Values(make_plain_mover, make_range_mover, make_mmap_mover),
                         [](const ::testing::TestParamInfo<MakeMover>& test) {
                           return std::string(test.param()->name());
                         });

// Moves a few bytes and then says that it cannot.
class FickleMover final : public Mover {
 public:
  explicit FickleMover(bool input_changed) : input_changed_(input_changed) {}
  std::string_view name() const noexcept override { return "fickle"; }
  std::string_view summary() const noexcept override { return ""; }
  Moved move(const MoveJob& job, RunContext& context) override {
    if (calls_++ > 0) return Moved::unsupported(input_changed_);
    return make_plain_mover()->move(job, context);
  }

 private:
  bool input_changed_;
  int calls_ = 0;
};

TEST(HolesOfAMover, WhatItCannotMoveBehindAHoleIsReadAndWritten) {
  const SparseFiles files;
  if (!files.is_sparse()) GTEST_SKIP() << "no sparse files in $TMPDIR";
  MoverRun run;
  const auto mover = keeping_holes(std::make_unique<FickleMover>(false));
  const Moved moved = mover->move(files.job(0, files.content.size()), run.context);
  EXPECT_EQ(moved.outcome, MoveOutcome::done);
  EXPECT_TRUE(files.copied() == files.content);
}

TEST(HolesOfAMover, AnInputThatChangedBehindAHoleEndsThere) {
  const SparseFiles files;
  if (!files.is_sparse()) GTEST_SKIP() << "no sparse files in $TMPDIR";
  MoverRun run;
  const auto mover = keeping_holes(std::make_unique<FickleMover>(true));
  const Moved moved = mover->move(files.job(0, files.content.size()), run.context);
  EXPECT_EQ(moved.outcome, MoveOutcome::done);
  EXPECT_EQ(moved.bytes, 6 * kMiB);
}

}  // namespace
}  // namespace sqlbk::copy
