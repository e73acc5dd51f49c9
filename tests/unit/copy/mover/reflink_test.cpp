// Reflinks on file systems that have them, each on a loop device of its own, proven by the extents.
#include <array>
#include <cerrno>
#include <cstring>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <optional>
#include <stdexcept>
#include <sys/ioctl.h>

#include "mover/movers.hpp"
#include "mover_fixture.hpp"
#include "scoped_sys.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/reflink_support.hpp"
#include "support/emptied.hpp"
#include "support/mounted.hpp"

namespace sqlbk::copy {
namespace {

constexpr std::uint64_t kBlock = 4096;

struct Extent {
  std::uint64_t logical = 0;
  std::uint64_t physical = 0;
  std::uint64_t length = 0;
  bool shared = false;
};

std::vector<Extent> extents_of(int fd) {
  constexpr std::uint32_t kMost = 512;
  alignas(fiemap) std::array<char, sizeof(fiemap) + kMost * sizeof(fiemap_extent)> memory{};
  auto* map = reinterpret_cast<fiemap*>(memory.data());
  map->fm_length = FIEMAP_MAX_OFFSET;
  map->fm_flags = FIEMAP_FLAG_SYNC;
  map->fm_extent_count = kMost;
  if (::ioctl(fd, FS_IOC_FIEMAP, map) != 0) {
    throw std::runtime_error("FIEMAP: " + std::string(std::strerror(errno)));
  }
  const auto* found = reinterpret_cast<const fiemap_extent*>(memory.data() + sizeof(fiemap));
  std::vector<Extent> extents;
  for (std::uint32_t i = 0; i < map->fm_mapped_extents; ++i) {
    extents.push_back({found[i].fe_logical, found[i].fe_physical, found[i].fe_length,
                       (found[i].fe_flags & FIEMAP_EXTENT_SHARED) != 0});
  }
  return extents;
}

// Where the byte at `offset` lies on the disk; 0: nowhere.
std::uint64_t place_of(const std::vector<Extent>& extents, std::uint64_t offset) {
  for (const Extent& extent : extents) {
    if (offset >= extent.logical && offset < extent.logical + extent.length) {
      return extent.physical + (offset - extent.logical);
    }
  }
  return 0;
}

class ReflinkOn : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string kind = GetParam();
    if (const auto why_not = test::why_not_mountable(kind)) GTEST_SKIP() << *why_not;
    try {
      mounted_.emplace(kind, 400);
    } catch (const std::runtime_error& error) {
      // A container's root may be refused the loop device, or the kernel lack the file system.
      GTEST_SKIP() << error.what();
    }
  }
  Moved move(const MoverFiles& files, std::uint64_t offset, std::uint64_t length) {
    return make_reflink_mover()->move(files.job(offset, length), run_.context);
  }
  // All of `range` of the copy lies where the same range of the source does, marked as shared.
  static void expect_shared(const MoverFiles& files, std::uint64_t offset, std::uint64_t length) {
    const std::vector<Extent> in = extents_of(files.in.get());
    const std::vector<Extent> out = extents_of(files.out.get());
    ASSERT_FALSE(in.empty());
    for (std::uint64_t at = offset; at < offset + length; at += kBlock) {
      ASSERT_NE(place_of(in, at), 0U) << "at " << at;
      EXPECT_EQ(place_of(in, at), place_of(out, at)) << "at " << at;
    }
    for (const Extent& extent : out) {
      EXPECT_TRUE(extent.shared) << "at " << extent.logical;
    }
  }

  std::optional<test::Mounted> mounted_;
  MoverRun run_;
};

TEST_P(ReflinkOn, AWholeFileSharesAllItsBlocks) {
  const std::string content = noise(2'000'000);  // not a multiple of the block size
  const MoverFiles files(content, mounted_->path());
  const Moved moved = move(files, 0, content.size());
  ASSERT_EQ(moved.outcome, MoveOutcome::done);
  EXPECT_EQ(moved.bytes, content.size());
  EXPECT_TRUE(files.copied() == content);
  expect_shared(files, 0, content.size() / kBlock * kBlock);
}

TEST_P(ReflinkOn, AnAlignedRangeSharesItsBlocksAlone) {
  const std::string content = noise(64 * kBlock);
  const MoverFiles files(content, mounted_->path());
  const Moved moved = move(files, 16 * kBlock, 8 * kBlock);
  ASSERT_EQ(moved.outcome, MoveOutcome::done);
  EXPECT_EQ(moved.bytes, 8 * kBlock);
  EXPECT_TRUE(files.copied() ==
              std::string(16 * kBlock, '\0') + content.substr(16 * kBlock, 8 * kBlock));
  expect_shared(files, 16 * kBlock, 8 * kBlock);
}

TEST_P(ReflinkOn, ARangeOffTheBlocksIsUnsupported) {
  const std::string content = noise(16 * kBlock);
  for (const auto& [offset, length] :
       {std::pair{kBlock + 512, kBlock}, std::pair{kBlock, kBlock + 512}}) {
    const MoverFiles files(content, mounted_->path());
    EXPECT_EQ(move(files, offset, length).outcome, MoveOutcome::unsupported);
    EXPECT_EQ(files.copied(), "");
  }
}

TEST_P(ReflinkOn, AFileThatGrewMeanwhileIsCutToWhatWasAsked) {
  const std::string content = noise(10 * kBlock);
  const MoverFiles files(content, mounted_->path());
  // A whole file by the first look, longer by the time of the clone.
  const std::uint64_t asked = 10 * kBlock - 100;
  static int in_fd;
  in_fd = files.in.get();
  truncate_to(in_fd, asked, files.in_path);
  test::ScopedSys patch;
  patch->ficlone = [](int out, int in) {
    const char more[] = "more";
    if (::pwrite(in_fd, more, sizeof more, 12 * kBlock) != sizeof more) return -1;
    return real_sys().ficlone(out, in);
  };
  const Moved moved = move(files, 0, asked);
  EXPECT_EQ(moved.bytes, asked);
  EXPECT_EQ(files.copied(), content.substr(0, asked));
}

TEST_P(ReflinkOn, WhatAnEarlierRoundLeftBehindTheEndDoesNotCount) {
  const std::string content = noise(20 * kBlock);
  const MoverFiles files(content, mounted_->path());
  write_all(files.out.get(), std::as_bytes(std::span(content)), 0, files.out_path);
  // The source is shorter by the time of the clone.
  static int in_fd;
  in_fd = files.in.get();
  test::ScopedSys patch;
  patch->ficlone = [](int out, int in) {
    return ::ftruncate(in_fd, 5 * kBlock) != 0 ? -1 : real_sys().ficlone(out, in);
  };
  EXPECT_EQ(move(files, 0, content.size()).bytes, 5 * kBlock);
}

TEST_P(ReflinkOn, AFileThatHasGrownAlreadyIsCutToWhatWasAsked) {
  const std::string content = noise(10 * kBlock);
  const MoverFiles files(content, mounted_->path());
  const std::uint64_t asked = 8 * kBlock - 512;
  const Moved moved = move(files, 0, asked);
  ASSERT_EQ(moved.outcome, MoveOutcome::done);
  EXPECT_EQ(moved.bytes, asked);
  EXPECT_TRUE(files.copied() == content.substr(0, asked));
}

TEST_P(ReflinkOn, OfAFileThatIsEmptiedForAMomentNothingIsMoved) {
  const MoverFiles files(noise(10 * kBlock), mounted_->path());
  const EmptiedForAMoment moment(files.in.get(), 10 * kBlock, 1);
  const Moved moved = move(files, 0, 10 * kBlock);
  ASSERT_EQ(moved.outcome, MoveOutcome::done);
  EXPECT_EQ(moved.bytes, 0U);
}

TEST_P(ReflinkOn, AcrossFileSystemsIsUnsupported) {
  const MoverFiles here(noise(kBlock), mounted_->path());
  const MoverFiles there(noise(kBlock));
  const MoveJob job{.in_fd = here.in.get(),
                    .in_path = here.in_path,
                    .out_fd = there.out.get(),
                    .out_path = there.out_path,
                    .offset_bytes = 0,
                    .length_bytes = kBlock};
  EXPECT_EQ(make_reflink_mover()->move(job, run_.context).outcome, MoveOutcome::unsupported);
  EXPECT_EQ(there.copied(), "");
}

// The other movers there: sparse and compressing file systems, and btrfs, where copy_file_range(2)
// makes reflinks by itself.
TEST_P(ReflinkOn, TheOtherMoversMakeTheSameCopy) {
  const std::string content = noise(100'000) + std::string(1 << 20, '\0') + noise(1000);
  for (const MakeMover make : kMovers) {
    const MoverFiles files(content, mounted_->path());
    const Moved moved = make()->move(files.job(0, content.size()), run_.context);
    EXPECT_EQ(moved.outcome, MoveOutcome::done) << make()->name();
    EXPECT_EQ(moved.bytes, content.size()) << make()->name();
    EXPECT_TRUE(files.copied() == content) << make()->name();
  }
}

TEST_P(ReflinkOn, CanBeToldWithoutATry) {
  const MoverFiles files(noise(kBlock), mounted_->path());
  EXPECT_EQ(reflink_support(files.in.get()), ReflinkSupport::likely);
}

INSTANTIATE_TEST_SUITE_P(FileSystems, ReflinkOn, ::testing::Values("btrfs", "xfs"),
                         [](const ::testing::TestParamInfo<const char*>& test) {
                           return std::string(test.param);
                         });

TEST(Reflink, WhereThereIsNoneItIsUnsupported) {
  if (const auto why_not = test::why_not_mountable("tmpfs")) GTEST_SKIP() << *why_not;
  std::optional<test::Mounted> mounted;
  try {
    mounted.emplace("tmpfs", 4);
  } catch (const std::runtime_error& error) {
    GTEST_SKIP() << error.what();
  }
  const MoverFiles files(noise(kBlock), mounted->path());
  MoverRun run;
  EXPECT_EQ(make_reflink_mover()->move(files.job(0, kBlock), run.context).outcome,
            MoveOutcome::unsupported);
  EXPECT_TRUE(make_reflink_mover()->shares_extents());
  EXPECT_EQ(reflink_support(files.in.get()), ReflinkSupport::no);
}

}  // namespace
}  // namespace sqlbk::copy
