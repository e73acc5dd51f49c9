// The mover of later rounds: whatever the output holds, afterwards it holds the input's range, and
// only what differed was written.
#include "mover/compare.hpp"

#include "mover_fixture.hpp"
#include "scoped_sys.hpp"

namespace sqlbk::copy {
namespace {

std::uint64_t written;

ssize_t counted_write(int fd, const void* buffer, std::size_t size, off_t offset) {
  written += size;
  return ::pwrite(fd, buffer, size, offset);
}

class CompareMover : public ::testing::Test {
 protected:
  // The bytes written where the output held `old`.
  std::uint64_t bytes_written(const std::string& content, const std::string& old,
                              std::string& result) {
    const MoverFiles files(content);
    write_all(files.out.get(), std::as_bytes(std::span(old)), 0, files.out_path);
    MoverRun run;
    test::ScopedSys patch;
    patch->pwrite = counted_write;
    written = 0;
    const Moved moved = make_compare_mover()->move(files.job(0, content.size()), run.context);
    EXPECT_EQ(moved.bytes, content.size());
    EXPECT_EQ(run.progress.done_bytes.load(), content.size());
    result = files.copied();
    return written;
  }
};

TEST_F(CompareMover, WritesNothingWhereNothingDiffers) {
  const std::string content = noise(1'000'001);
  std::string result;
  EXPECT_EQ(bytes_written(content, content, result), 0U);
  EXPECT_TRUE(result == content);
}

TEST_F(CompareMover, WritesThePiecesThatDifferAlone) {
  const std::string content = noise(1'000'001);
  std::string old = content;
  // The first and the last byte, and one in the middle of the second buffer.
  for (const std::size_t at : {std::size_t{0}, std::size_t{300'000}, old.size() - 1}) {
    old[at] = static_cast<char>(old[at] ^ 1);
  }
  std::string result;
  const std::uint64_t bytes = bytes_written(content, old, result);
  EXPECT_TRUE(result == content);
  EXPECT_GT(bytes, 0U);
  EXPECT_LE(bytes, 3 * 4096U);
}

TEST_F(CompareMover, WritesWhatTheOutputDoesNotHold) {
  const std::string content = noise(700'000);
  for (const std::size_t held : {std::size_t{0}, std::size_t{1}, std::size_t{262'144},
                                 std::size_t{262'145}, std::size_t{699'999}}) {
    std::string result;
    EXPECT_GE(bytes_written(content, content.substr(0, held), result), content.size() - held);
    EXPECT_TRUE(result == content) << held;
  }
}

TEST_F(CompareMover, LeavesWhatLiesBehindTheRange) {
  const std::string content = noise(5000);
  const std::string old = noise(9000, 2);
  std::string result;
  static_cast<void>(bytes_written(content, old, result));
  EXPECT_EQ(result, content + old.substr(5000));
}

TEST_F(CompareMover, SaysHowMuchThereWas) {
  const MoverFiles files(noise(5000));
  MoverRun run;
  EXPECT_EQ(make_compare_mover()->move(files.job(0, 9000), run.context).bytes, 5000U);
  EXPECT_EQ(make_compare_mover()->move(files.job(4096, 9000), run.context).bytes, 904U);
  EXPECT_EQ(make_compare_mover()->move(files.job(8192, 9000), run.context).bytes, 0U);
}

}  // namespace
}  // namespace sqlbk::copy
