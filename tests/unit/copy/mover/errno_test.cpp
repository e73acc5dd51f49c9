// Which failures of a system call mean "try another mover", injected one by one.
#include <cerrno>
#include <set>

#include "mover/errno_table.hpp"
#include "mover/movers.hpp"
#include "mover_fixture.hpp"
#include "scoped_sys.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::copy {
namespace {

// From ioctl_ficlone(2), copy_file_range(2) and mmap(2): what says that it does not work on these
// files. Written down here a second time, so that a change of the table is a decision.
const std::set<int> kFicloneUnsupported{EOPNOTSUPP, ENOTTY, ENOSYS, EXDEV, EINVAL, ETXTBSY, EPERM};
const std::set<int> kRangeUnsupported{ENOSYS, EXDEV, EOPNOTSUPP, EINVAL, ETXTBSY, EPERM};
const std::set<int> kMmapUnsupported{ENODEV, EACCES, EPERM};

// Every errno of Linux but EINTR, after which a call is made again.
std::vector<int> all_errnos() {
  std::vector<int> all;
  for (int number = 1; number <= 133; ++number) {
    if (number != EINTR) all.push_back(number);
  }
  return all;
}

int injected;           // the errno
int calls;              // so far
int failing_call;       // 1: the first
std::uint64_t at_once;  // most bytes of one call

ssize_t failing_range(int in, off_t* in_offset, int out, off_t* out_offset, std::size_t size,
                      unsigned flags) {
  if (++calls == failing_call) {
    errno = injected;
    return -1;
  }
  return ::copy_file_range(in, in_offset, out, out_offset, std::min<std::size_t>(size, at_once),
                           flags);
}

void arm(int number, int call) {
  injected = number;
  calls = 0;
  failing_call = call;
  at_once = 1000;
}

TEST(Errnos, TheTableIsThatOfTheManualPages) {
  for (const int number : all_errnos()) {
    EXPECT_EQ(is_unsupported(MoverCall::ficlone, number), kFicloneUnsupported.contains(number))
        << number;
    EXPECT_EQ(is_unsupported(MoverCall::copy_file_range, number),
              kRangeUnsupported.contains(number))
        << number;
    EXPECT_EQ(is_unsupported(MoverCall::mmap, number), kMmapUnsupported.contains(number)) << number;
  }
  EXPECT_FALSE(is_unsupported(MoverCall::ficlone, EINTR));
  EXPECT_FALSE(is_unsupported(MoverCall::copy_file_range, EINTR));
}

TEST(Errnos, RangeIsUnsupportedByTheFirstCallOnly) {
  const std::string content = noise(10'000);
  test::ScopedSys patch;
  patch->copy_file_range = failing_range;
  for (const int number : all_errnos()) {
    for (const int call : {1, 2, 5}) {
      const MoverFiles files(content);
      MoverRun run;
      arm(number, call);
      bool unsupported = false;
      int thrown = 0;
      try {
        const Moved moved = make_range_mover()->move(files.job(0, content.size()), run.context);
        unsupported = moved.outcome == MoveOutcome::unsupported;
      } catch (const Error& error) {
        thrown = error.os_errno();
      }
      const bool expected = call == 1 && kRangeUnsupported.contains(number);
      EXPECT_EQ(unsupported, expected) << number << " in call " << call;
      EXPECT_EQ(thrown, expected ? 0 : number) << number << " in call " << call;
      if (unsupported) {
        EXPECT_EQ(files.copied(), "");
      }
    }
  }
}

TEST(Errnos, ReflinkIsUnsupportedByTheErrnosOfTheTableOnly) {
  const std::string content = noise(8192);
  test::ScopedSys patch;
  patch->ficlone = [](int, int) {
    errno = injected;
    return -1;
  };
  patch->ficlonerange = [](int, int, off_t, off_t, off_t) {
    errno = injected;
    return -1;
  };
  for (const int number : all_errnos()) {
    for (const std::uint64_t length : {8192U, 4096U}) {  // the whole file, and a part of it
      const MoverFiles files(content);
      MoverRun run;
      injected = number;
      bool unsupported = false;
      int thrown = 0;
      try {
        unsupported = make_reflink_mover()->move(files.job(0, length), run.context).outcome ==
                      MoveOutcome::unsupported;
      } catch (const Error& error) {
        thrown = error.os_errno();
      }
      EXPECT_EQ(unsupported, kFicloneUnsupported.contains(number)) << number;
      EXPECT_EQ(thrown, kFicloneUnsupported.contains(number) ? 0 : number) << number;
    }
  }
}

// mmap(2) is no entry of the table of system calls: a descriptor that may not be read gives EACCES.
TEST(Errnos, MmapIsUnsupportedWhereTheFileCannotBeMapped) {
  MoverFiles files(noise(10'000));
  files.in = UniqueFd(::open(files.in_path.c_str(), O_WRONLY | O_CLOEXEC));
  MoverRun run;
  EXPECT_EQ(make_mmap_mover()->move(files.job(0, 10'000), run.context).outcome,
            MoveOutcome::unsupported);
  EXPECT_EQ(files.copied(), "");
}

TEST(Errnos, InterruptedCallsAreMadeAgain) {
  const std::string content = noise(10'000);
  test::ScopedSys patch;
  patch->copy_file_range = failing_range;
  const auto interrupted_write = [](int fd, const void* buffer, std::size_t size, off_t offset) {
    if (++calls % 2 == 1) {
      errno = EINTR;
      return ssize_t{-1};
    }
    return ::pwrite(fd, buffer, std::min<std::size_t>(size, at_once), offset);
  };
  const auto interrupted_read = [](int fd, void* buffer, std::size_t size, off_t offset) {
    if (++calls % 2 == 1) {
      errno = EINTR;
      return ssize_t{-1};
    }
    return ::pread(fd, buffer, std::min<std::size_t>(size, at_once), offset);
  };
  patch->pwrite = interrupted_write;
  patch->pread = interrupted_read;
  for (const MakeMover make : {make_plain_mover, make_range_mover, make_mmap_mover}) {
    for (const int call : {1, 3}) {
      const MoverFiles files(content);
      MoverRun run;
      arm(EINTR, call);
      const Moved moved = make()->move(files.job(0, content.size()), run.context);
      EXPECT_EQ(moved.bytes, content.size()) << make()->name();
      EXPECT_EQ(files.copied(), content) << make()->name();
    }
  }
}

TEST(Errnos, AnInterruptedReflinkIsMadeAgain) {
  test::ScopedSys patch;
  calls = 0;
  patch->ficlone = [](int out, int) {
    if (++calls == 1) {
      errno = EINTR;
      return -1;
    }
    // Instead of a clone, which $TMPDIR may not be able to make.
    return ::ftruncate(out, 8192);
  };
  const MoverFiles files(noise(8192));
  MoverRun run;
  EXPECT_EQ(make_reflink_mover()->move(files.job(0, 8192), run.context).bytes, 8192U);
  EXPECT_EQ(calls, 2);
}

TEST(Errnos, EveryMoverEndsWhereTheWriteFails) {
  test::ScopedSys patch;
  patch->pwrite = [](int fd, const void* buffer, std::size_t size, off_t offset) {
    if (++calls == failing_call) {
      errno = injected;
      return ssize_t{-1};
    }
    return ::pwrite(fd, buffer, std::min<std::size_t>(size, at_once), offset);
  };
  for (const MakeMover make : {make_plain_mover, make_mmap_mover}) {
    for (const int number : {ENOSPC, EIO, EDQUOT, EFBIG}) {
      for (const int call : {1, 4}) {
        failing_call = 0;
        const MoverFiles files(noise(10'000));  // made by the same table
        MoverRun run;
        arm(number, call);
        try {
          static_cast<void>(make()->move(files.job(0, 10'000), run.context));
          ADD_FAILURE() << make()->name() << " ignored errno " << number;
        } catch (const Error& error) {
          EXPECT_EQ(error.os_errno(), number);
          EXPECT_EQ(error.code(),
                    number == ENOSPC || number == EDQUOT ? Errc::no_space : Errc::io_error);
        }
      }
    }
  }
}

// Some file systems answer 0 for what they cannot copy (procfs before Linux 5.19, some FUSE).
TEST(RangeMover, TakesAZeroBeforeTheEndForUnsupportedAtFirstAndForAFailureLater) {
  test::ScopedSys patch;
  patch->copy_file_range = [](int in, off_t* in_offset, int out, off_t* out_offset,
                              std::size_t size, unsigned flags) -> ssize_t {
    if (++calls == failing_call) return 0;
    return ::copy_file_range(in, in_offset, out, out_offset, std::min<std::size_t>(size, at_once),
                             flags);
  };
  const MoverFiles files(noise(10'000));
  MoverRun run;
  arm(0, 1);
  EXPECT_EQ(make_range_mover()->move(files.job(0, 10'000), run.context).outcome,
            MoveOutcome::unsupported);
  arm(0, 3);
  EXPECT_THROW(static_cast<void>(make_range_mover()->move(files.job(0, 10'000), run.context)),
               Error);
}

TEST(RangeMover, ToleratesShortCounts) {
  test::ScopedSys patch;
  patch->copy_file_range = failing_range;
  const std::string content = noise(10'001);
  const MoverFiles files(content);
  MoverRun run;
  arm(0, 0);
  at_once = 7;
  EXPECT_EQ(make_range_mover()->move(files.job(0, content.size()), run.context).bytes, 10'001U);
  EXPECT_EQ(files.copied(), content);
  EXPECT_GT(calls, 1000);
}

}  // namespace
}  // namespace sqlbk::copy
