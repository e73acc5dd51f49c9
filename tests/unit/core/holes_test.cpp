// Which zeros are written, and what the file system says of holes.
#include "sqlbk/core/holes.hpp"

#include <fcntl.h>
#include <string>

#include <gtest/gtest.h>

#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "sqlbk/core/io.hpp"

namespace sqlbk {
namespace {

class HolesTest : public testing::Test {
 protected:
  std::string content() const { return test::read_text(path_); }
  void write(std::string_view bytes, std::uint64_t offset, std::uint64_t held) {
    write_around_holes(fd_.get(), std::as_bytes(std::span(bytes)), offset, held, path_);
  }

  kit::TemporaryDirectory directory_;
  std::string path_ = directory_.file("file");
  UniqueFd fd_ = open_at(AT_FDCWD, path_, O_RDWR | O_CREAT, 0600, path_);
};

TEST_F(HolesTest, OnlyWholeBlocksOfZerosAreLeftOut) {
  std::string bytes(5 * 4096, '\0');
  bytes[4096 + 17] = 'a';
  bytes[4 * 4096 - 1] = 'b';
  write(bytes, 0, 0);
  EXPECT_EQ(stat_of(fd_.get(), path_).size_bytes, 4U * 4096) << "the last block is the caller's";
  EXPECT_EQ(content(), bytes.substr(0, std::size_t{4} * 4096));
  const FileStat file = stat_of(fd_.get(), path_);
  if (may_have_holes(fd_.get(), path_)) {
    EXPECT_EQ(file.allocated_bytes, 2U * 4096);
  }
}

TEST_F(HolesTest, ZerosCoverWhatWasThere) {
  test::write_text(path_, std::string(6000, 'x'));
  write(std::string(16384, '\0'), 0, 6000);
  EXPECT_EQ(content(), std::string(8192, '\0')) << "up to the block that held the last byte";
  test::write_text(path_, std::string(3, 'x'));
  write(std::string(2, '\0'), 1, 3);
  EXPECT_EQ(content(), std::string("x\0\0", 3));
}

TEST_F(HolesTest, PiecesNeedNotBeAligned) {
  std::string bytes = std::string(100, 'x') + std::string(10'000, '\0') + std::string(3, 'y');
  write(bytes, 777, 0);
  EXPECT_EQ(content(), std::string(777, '\0') + bytes);
  write("", 0, 0);
}

TEST_F(HolesTest, ExtentsAlternate) {
  write("data", 0, 0);
  write("data", 1 << 20, 0);
  truncate_to(fd_.get(), 3 << 20, path_);
  if (!may_have_holes(fd_.get(), path_)) GTEST_SKIP() << "no sparse files in $TMPDIR";
  const Extent data = extent_at(fd_.get(), 0, UINT64_MAX);
  EXPECT_FALSE(data.is_hole);
  const Extent hole = extent_at(fd_.get(), data.end_bytes, UINT64_MAX);
  EXPECT_TRUE(hole.is_hole);
  EXPECT_LE(hole.end_bytes, 1U << 20U);
  EXPECT_EQ(extent_at(fd_.get(), data.end_bytes, data.end_bytes + 10).end_bytes,
            data.end_bytes + 10);
  const Extent end = extent_at(fd_.get(), 2 << 20, 5 << 20);
  EXPECT_TRUE(end.is_hole);
  EXPECT_EQ(end.end_bytes, 5U << 20U) << "no data behind it";
}

TEST_F(HolesTest, DataIsWhatACopyNeedsRoomFor) {
  write("data", 0, 0);
  write("data", 1 << 20, 0);
  truncate_to(fd_.get(), 3 << 20, path_);
  if (!may_have_holes(fd_.get(), path_)) GTEST_SKIP() << "no sparse files in $TMPDIR";
  EXPECT_LE(data_bytes(fd_.get(), 3 << 20, path_), 2U * 65536);
  EXPECT_GE(data_bytes(fd_.get(), 3 << 20, path_), 8U);
  EXPECT_EQ(data_bytes(fd_.get(), 4, path_), 4U);
  EXPECT_EQ(data_bytes(fd_.get(), 0, path_), 0U);
}

TEST_F(HolesTest, AFullFileIsNotAsked) {
  test::write_text(path_, std::string(1 << 20, 'x'));
  sync_file(fd_.get(), path_);
  const FileStat file = stat_of(fd_.get(), path_);
  EXPECT_EQ(may_have_holes(fd_.get(), path_), file.allocated_bytes < file.size_bytes);
}

}  // namespace
}  // namespace sqlbk
