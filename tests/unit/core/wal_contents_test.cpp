// What a WAL holds, compared with what SQLite says of it; golden files for what SQLite does not
// say.
#include "sqlbk/core/wal_contents.hpp"

#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>

#include <gtest/gtest.h>

#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "remote_sqlite.hpp"

namespace sqlbk {
namespace {

using test::RemoteSqlite;

class WalContentsTest : public testing::Test {
 protected:
  WalContents contents() const {
    LiveFiles files(path_);
    return read_wal_contents(files);
  }
  // A golden database and its WAL, under the name of the test's.
  void take(const std::string& name) const {
    const char* root = std::getenv("SQLBK_SOURCE_ROOT");
    ASSERT_NE(root, nullptr);
    for (const std::string suffix : {"", "-wal"}) {
      std::filesystem::copy_file(std::string(root) + "/tests/data/" + name + suffix,
                                 path_ + suffix);
    }
  }

  kit::TemporaryDirectory directory_;
  std::string path_ = directory_.file("source.db");
};

TEST_F(WalContentsTest, ThereIsNone) {
  test::write_text(path_, "");
  const WalContents found = contents();
  EXPECT_EQ(found.header.issue, format::WalHeaderIssue::too_short);
  EXPECT_TRUE(found.is_settled);
}

TEST_F(WalContentsTest, ALiveOne) {
  RemoteSqlite owner(path_);
  owner.run("PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0; PRAGMA user_version=7");
  owner.run("CREATE TABLE t(a)");
  owner.run("INSERT INTO t VALUES (zeroblob(100000))");
  const WalContents found = contents();
  ASSERT_TRUE(found.header);
  EXPECT_EQ(found.commits, 3U);
  EXPECT_EQ(found.committed_frames, found.valid_frames);
  EXPECT_EQ(std::to_string(found.committed_size_pages), owner.run("PRAGMA page_count"));
  ASSERT_TRUE(found.db_header);
  EXPECT_EQ(found.db_header->user_version, 7U);
  EXPECT_FALSE(found.has_torn_frame || found.zero_salts_follow);
  EXPECT_EQ(found.unchained_frames + found.zero_salt_frames + found.older_frames, 0U);
}

TEST_F(WalContentsTest, AnOpenTransactionIsNotCommitted) {
  RemoteSqlite owner(path_);
  owner.run("PRAGMA journal_mode=wal; CREATE TABLE t(a); PRAGMA user_version=1");
  owner.run("PRAGMA cache_size=5; BEGIN; PRAGMA user_version=2");
  owner.run("INSERT INTO t VALUES (zeroblob(400000)); INSERT INTO t VALUES (zeroblob(400000))");
  const WalContents found = contents();
  EXPECT_EQ(found.commits, 2U);
  EXPECT_GT(found.valid_frames, found.committed_frames);
  ASSERT_TRUE(found.db_header);
  EXPECT_EQ(found.db_header->user_version, 1U);
}

TEST_F(WalContentsTest, AResetLeavesFramesOfTheOlderGeneration) {
  RemoteSqlite owner(path_);
  owner.run("PRAGMA journal_mode=wal; CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(50000))");
  const std::uint64_t before = contents().committed_frames;
  owner.run("PRAGMA wal_checkpoint(RESTART); INSERT INTO t VALUES (1)");
  const WalContents found = contents();
  EXPECT_EQ(found.commits, 1U);
  EXPECT_EQ(found.committed_frames + found.older_frames, before);
  EXPECT_FALSE(found.has_torn_frame);
}

TEST_F(WalContentsTest, FramesWithoutSalts) {
  take("zerosalt.db");
  const WalContents found = contents();
  EXPECT_EQ(found.valid_frames, 1U);
  EXPECT_EQ(found.committed_frames, 1U);
  EXPECT_EQ(found.commits, 1U);
  EXPECT_EQ(found.committed_size_pages, 42U);
  EXPECT_EQ(found.zero_salt_frames, 30U);
  EXPECT_EQ(found.unchained_frames, 10U);
  EXPECT_EQ(found.older_frames, 3U);
  EXPECT_TRUE(found.zero_salts_follow);
  EXPECT_FALSE(found.has_torn_frame);
  EXPECT_FALSE(found.db_header) << "page 1 is not in the WAL";
}

TEST_F(WalContentsTest, ASpilledTransaction) {
  take("spilled.db");
  const WalContents found = contents();
  EXPECT_EQ(found.valid_frames, 41U);
  EXPECT_EQ(found.committed_frames, 24U);
}

TEST_F(WalContentsTest, ATornFrame) {
  take("wal.db");
  const std::string wal = path_ + "-wal";
  const test::Buffer whole = test::read_file(wal);
  EXPECT_EQ(contents().valid_frames, 8U);
  test::Buffer bytes = whole;
  bytes.back() ^= std::byte{1};
  test::write_file(wal, bytes);
  WalContents found = contents();
  EXPECT_EQ(found.valid_frames, 7U);
  EXPECT_EQ(found.committed_frames, 3U);
  EXPECT_EQ(found.unchained_frames, 1U);
  EXPECT_TRUE(found.has_torn_frame);
  test::write_file(wal, std::span(whole).first(whole.size() - 1));
  found = contents();
  EXPECT_EQ(found.valid_frames, 7U);
  EXPECT_EQ(found.unchained_frames, 0U);
  EXPECT_TRUE(found.has_torn_frame);
  test::write_file(wal, std::span(whole).first(whole.size() - (24 + 1024)));
  found = contents();
  EXPECT_EQ(found.valid_frames, 7U);
  EXPECT_FALSE(found.has_torn_frame);
}

TEST_F(WalContentsTest, MoreThanOneBatch) {
  RemoteSqlite owner(path_);
  owner.run("PRAGMA page_size=65536; PRAGMA journal_mode=wal; CREATE TABLE t(a)");
  owner.run("PRAGMA wal_autocheckpoint=0; INSERT INTO t VALUES (zeroblob(5000000))");
  const WalContents found = contents();
  EXPECT_GT(found.committed_frames, 60U);
  EXPECT_EQ(std::to_string(found.committed_size_pages), owner.run("PRAGMA page_count"));
}

}  // namespace
}  // namespace sqlbk
