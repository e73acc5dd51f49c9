#include "sqlbk/format/sqlite_version.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

namespace sqlbk::format {
namespace {

TEST(SqliteVersion, IsWrittenAsSqliteDoes) {
  EXPECT_EQ(version_text(static_cast<std::uint32_t>(sqlite3_libversion_number())),
            sqlite3_libversion());
  EXPECT_EQ(version_text(3'040'001), "3.40.1");
  EXPECT_EQ(version_text(3'007'000), "3.7.0");
  EXPECT_EQ(version_text(0), "");
}

TEST(SqliteVersion, FramesWithoutChecksums) {
  for (const std::uint32_t version : {3'011'000U, 3'040'001U, 3'048'000U, 3'049'002U}) {
    EXPECT_TRUE(may_commit_without_checksums(version)) << version;
  }
  for (const std::uint32_t version : {0U, 3'010'002U, 3'050'000U, 3'050'004U, 3'053'002U}) {
    EXPECT_FALSE(may_commit_without_checksums(version)) << version;
  }
}

TEST(SqliteVersion, WalReset) {
  for (const std::uint32_t version :
       {3'007'000U, 3'040'001U, 3'044'005U, 3'045'000U, 3'050'006U, 3'051'000U, 3'051'002U}) {
    EXPECT_TRUE(has_wal_reset_bug(version)) << version;
  }
  for (const std::uint32_t version :
       {0U, 3'006'023U, 3'044'006U, 3'044'999U, 3'050'007U, 3'051'003U, 3'053'000U}) {
    EXPECT_FALSE(has_wal_reset_bug(version)) << version;
  }
}

}  // namespace
}  // namespace sqlbk::format
