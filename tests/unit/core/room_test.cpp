#include "room.hpp"

#include <cerrno>
#include <limits>
#include <optional>
#include <string>
#include <sys/resource.h>

#include <gtest/gtest.h>

#include "database.hpp"
#include "errors.hpp"
#include "kit/temporary_directory.hpp"
#include "test_context.hpp"

namespace sqlbk {
namespace {

using test::error_of;

// The soft limit alone, which comes back.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    static_cast<void>(::getrlimit(RLIMIT_FSIZE, &before_));
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    static_cast<void>(::setrlimit(RLIMIT_FSIZE, &limit));
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() { static_cast<void>(::setrlimit(RLIMIT_FSIZE, &before_)); }

 private:
  rlimit before_{};
};

class Room : public testing::Test {
 protected:
  void open() {
    files_.emplace(source_);
    facts_ = probe_source(*files_);
  }
  // What a strategy that stages this would be refused for, under a limit.
  std::optional<Error> refusal(StagedFiles stages, rlim_t limit,
                               ImageForm form = ImageForm::folded) {
    const StrategyTraits traits{.stages = stages};
    CopyRoom room(*files_, facts_, traits, form, context_.context);
    const FileSizeLimit limited(limit);
    return error_of([&] { room.require_staged_in(directory_.path()); });
  }

  kit::TemporaryDirectory directory_;
  std::string source_ = directory_.file("source.db");
  std::optional<LiveFiles> files_;
  SourceFacts facts_;
  test::TestContext context_;
};

TEST_F(Room, MoreThanThereIsDoesNotFit) {
  require_room(directory_.path(), 1);
  const auto error =
      error_of([&] { require_room(directory_.path(), std::numeric_limits<std::uint64_t>::max()); });
  if (!error) GTEST_SKIP() << "this file system does not count its space";
  EXPECT_EQ(error->code(), Errc::no_space);
  EXPECT_EQ(error->path(), directory_.path());
  EXPECT_EQ(error->os_errno(), ENOSPC);
}

TEST_F(Room, AFileMayNotBeLargerThanTheProcessMayMakeIt) {
  test::Database(source_).run("CREATE TABLE t(a)");
  open();
  const std::uint64_t size = facts_.main.size_bytes;
  EXPECT_FALSE(refusal(StagedFiles::main, size));
  const auto error = refusal(StagedFiles::main, size - 1);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Errc::destination_unusable);
  EXPECT_EQ(error->os_errno(), EFBIG);
}

TEST_F(Room, NothingIsRequiredWhereNothingIsKnown) {
  test::Database(source_).run("CREATE TABLE t(a)");
  open();
  EXPECT_FALSE(refusal(StagedFiles::unknown, 0));
}

TEST_F(Room, ALastCommitMakesMainAsLargeAsItSays) {
  test::Database database(source_);
  database.run("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(a)");
  database.run("PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO t VALUES(zeroblob(40000))");
  open();
  const std::uint64_t wal_size = facts_.wal_size_bytes();
  ASSERT_GT(wal_size, 40'000U);
  ASSERT_LT(facts_.main.size_bytes, 40'000U);
  for (const StagedFiles stages : {StagedFiles::main, StagedFiles::pages}) {
    EXPECT_TRUE(refusal(stages, 40'000));
    EXPECT_FALSE(refusal(stages, wal_size + 1));
  }
  EXPECT_FALSE(refusal(StagedFiles::main_and_wal, wal_size + 8192));
  EXPECT_TRUE(refusal(StagedFiles::main_and_wal, wal_size - 1, ImageForm::main_and_wal));
  EXPECT_FALSE(refusal(StagedFiles::main_and_wal, wal_size, ImageForm::main_and_wal));
}

}  // namespace
}  // namespace sqlbk
