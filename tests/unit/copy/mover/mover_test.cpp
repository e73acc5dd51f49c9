// What every mover must do, whichever way it moves bytes.
#include <csignal>
#include <thread>

#include "mover/movers.hpp"
#include "mover_fixture.hpp"
#include "scoped_sys.hpp"
#include "sqlbk/core/error.hpp"
#include "support/emptied.hpp"

namespace sqlbk::copy {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

class EveryMover : public ::testing::TestWithParam<MakeMover> {
 protected:
  // Skips the test where the file system of $TMPDIR cannot do it (reflink_test.cpp makes one).
  Moved move(const MoverFiles& files, std::uint64_t offset, std::uint64_t length) {
    const std::unique_ptr<Mover> mover = GetParam()();
    return mover->move(files.job(offset, length), run_.context);
  }
  MoverRun run_;
};

#define SKIP_IF_UNSUPPORTED(moved)                                       \
  if ((moved).outcome == MoveOutcome::unsupported) {                     \
    GTEST_SKIP() << GetParam()()->name() << " does not work in $TMPDIR"; \
  }

TEST_P(EveryMover, MovesAWholeFile) {
  const std::string content = noise(3 * kMiB + 4096);
  const MoverFiles files(content);
  const Moved moved = move(files, 0, content.size());
  SKIP_IF_UNSUPPORTED(moved)
  EXPECT_EQ(moved.bytes, content.size());
  EXPECT_EQ(files.copied(), content);
  EXPECT_EQ(run_.progress.done_bytes.load(), content.size());
}

TEST_P(EveryMover, MovesMoreThanAWindowOfMmapOrAChunkOfRange) {
  const std::string content = noise(17 * kMiB + 777);
  const MoverFiles files(content);
  const Moved moved = move(files, 0, content.size());
  SKIP_IF_UNSUPPORTED(moved)
  EXPECT_EQ(moved.bytes, content.size());
  EXPECT_TRUE(files.copied() == content);
}

TEST_P(EveryMover, MovesNothingOfAnEmptyFile) {
  const MoverFiles files("");
  const Moved moved = move(files, 0, 0);
  SKIP_IF_UNSUPPORTED(moved)
  EXPECT_EQ(moved.bytes, 0U);
  EXPECT_EQ(files.copied(), "");
}

// Offsets are those of both files, and what lies around the range is not touched.
TEST_P(EveryMover, MovesARangeAndNothingElse) {
  const std::string content = noise(256 * 1024);
  const std::string old = noise(256 * 1024, 2);
  // Off every page and block boundary, too.
  const std::pair<std::uint64_t, std::uint64_t> ranges[] = {
      {0, 65536}, {65536, 65536}, {196608, 65536}, {512, 512},
      {1, 4095},  {4095, 2},      {70001, 99999}};
  for (const auto& [offset, length] : ranges) {
    const MoverFiles files(content);
    write_all(files.out.get(), std::as_bytes(std::span(old)), 0, files.out_path);
    const Moved moved = move(files, offset, length);
    if (moved.outcome == MoveOutcome::unsupported) {
      EXPECT_EQ(files.copied(), old) << "offset " << offset;
      continue;
    }
    std::string expected = old;
    expected.replace(offset, length, content, offset, length);
    EXPECT_EQ(moved.bytes, length) << "offset " << offset;
    EXPECT_TRUE(files.copied() == expected) << "offset " << offset << ", length " << length;
  }
}

TEST_P(EveryMover, SaysHowMuchThereWasWhereTheFileEndsInsideTheRange) {
  const std::string content = noise(100'000);
  for (const std::uint64_t offset : {0U, 65536U}) {
    const MoverFiles files(content);
    const Moved moved = move(files, offset, 150'000);
    if (moved.outcome == MoveOutcome::unsupported) {
      EXPECT_EQ(files.copied(), "");
      continue;
    }
    EXPECT_EQ(moved.bytes, content.size() - offset);
    EXPECT_EQ(files.copied().substr(offset), content.substr(offset));
    EXPECT_EQ(files.copied().size(), content.size());
  }
}

TEST_P(EveryMover, MovesNothingFromBehindTheEnd) {
  const std::string content = noise(5000);
  const MoverFiles files(content);
  const Moved moved = move(files, 8192, 4096);
  EXPECT_EQ(moved.bytes, 0U);
  EXPECT_EQ(files.copied(), "");
}

TEST_P(EveryMover, TakesALengthWithoutLimit) {
  const std::string content = noise(5000);
  for (const std::uint64_t offset : {0U, 4096U}) {
    const MoverFiles files(content);
    const Moved moved = move(files, offset, UINT64_MAX);
    SKIP_IF_UNSUPPORTED(moved)
    EXPECT_EQ(moved.bytes, content.size() - offset);
    EXPECT_EQ(files.copied().substr(offset), content.substr(offset));
  }
}

TEST_P(EveryMover, StopsWhenItIsCancelled) {
  const MoverFiles files(noise(20 * kMiB));
  run_.cancel.request();
  try {
    const Moved moved = move(files, 0, 20 * kMiB);
    SKIP_IF_UNSUPPORTED(moved)
    FAIL() << "moved " << moved.bytes << " bytes";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::interrupted);
  }
}

// The signal would end the test program.
TEST_P(EveryMover, SurvivesASourceThatIsShortenedUnderIt) {
  const std::string content = noise(24 * kMiB);
  MoverFiles files(content);
  // In the middle of the move, as soon as the first bytes have been written.
  static int in_fd;
  static std::uint64_t cut;
  in_fd = files.in.get();
  for (const std::uint64_t to : {std::uint64_t{0}, 4 * kMiB + 100, 12 * kMiB}) {
    truncate_to(files.out.get(), 0, files.out_path);
    write_all(files.in.get(), std::as_bytes(std::span(content)), 0, files.in_path);
    cut = to;
    test::ScopedSys patch;
    patch->pwrite = [](int fd, const void* buffer, std::size_t size, off_t offset) {
      static_cast<void>(::ftruncate(in_fd, static_cast<off_t>(cut)));
      return ::pwrite(fd, buffer, std::min<std::size_t>(size, 1 << 20), offset);
    };
    patch->copy_file_range = [](int in, off_t* in_offset, int out, off_t* out_offset,
                                std::size_t size, unsigned flags) {
      const ssize_t count = ::copy_file_range(in, in_offset, out, out_offset,
                                              std::min<std::size_t>(size, 1 << 20), flags);
      static_cast<void>(::ftruncate(in_fd, static_cast<off_t>(cut)));
      return count;
    };
    patch->ficlone = [](int out, int in) {
      static_cast<void>(::ftruncate(in_fd, static_cast<off_t>(cut)));
      return real_sys().ficlone(out, in);
    };
    const Moved moved = move(files, 0, content.size());
    SKIP_IF_UNSUPPORTED(moved)
    // What had been handed over before the cut may count, so not exactly `cut`.
    EXPECT_LT(moved.bytes, content.size()) << "cut to " << cut;
    // A mapping's zeros behind the end may have been written, but they do not count.
    EXPECT_TRUE(files.copied().substr(0, moved.bytes) == content.substr(0, moved.bytes))
        << "cut to " << cut;
  }
}

TEST_P(EveryMover, TakesASourceThatIsEmptiedForAMomentForAnEnd) {
  const std::string content = noise(6 * kMiB);
  for (const int when : {1, 3}) {
    MoverFiles files(content);
    const EmptiedForAMoment moment(files.in.get(), content.size(), when);
    const Moved moved = move(files, 0, content.size());
    if (moved.outcome == MoveOutcome::unsupported) {
      EXPECT_EQ(files.copied(), "");
      if (GetParam()()->name() != "reflink") {
        EXPECT_TRUE(moved.input_changed);
      }
      continue;
    }
    EXPECT_EQ(moved.bytes < content.size(), moment.has_been()) << "in call " << when;
  }
}

TEST_P(EveryMover, FailsWhereTheTargetCannotBeWritten) {
  MoverFiles files(noise(100'000));
  files.out = UniqueFd(::open(files.out_path.c_str(), O_RDONLY | O_CLOEXEC));
  try {
    const Moved moved = move(files, 0, 100'000);
    SKIP_IF_UNSUPPORTED(moved)
    FAIL() << "moved " << moved.bytes << " bytes";
  } catch (const Error& error) {
    EXPECT_EQ(error.os_errno(), EBADF) << error.what();
  }
}

TEST_P(EveryMover, HasANameAndASummary) {
  const std::unique_ptr<Mover> mover = GetParam()();
  EXPECT_FALSE(mover->name().empty());
  EXPECT_FALSE(mover->summary().empty());
}

INSTANTIATE_TEST_SUITE_P(Movers, EveryMover, ::testing::ValuesIn(kMovers),
                         [](const ::testing::TestParamInfo<MakeMover>& test) {
                           return std::string(test.param()->name());
                         });

}  // namespace
}  // namespace sqlbk::copy
