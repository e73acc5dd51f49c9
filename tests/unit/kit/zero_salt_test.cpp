#include "kit/zero_salt.hpp"

#include <filesystem>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "kit/temporary_directory.hpp"
#include "sqlbk/core/sqlite.hpp"

namespace sqlbk::kit {
namespace {

class ZeroSalt : public testing::TestWithParam<std::tuple<ZeroSaltVariant, LockingMode>> {
 protected:
  void SetUp() override {
    if (!sqlite_writes_zero_salts()) {
      GTEST_SKIP() << "SQLite " << sqlite::library_version() << " does not have bug Z";
    }
  }
};

TEST_P(ZeroSalt, TheLiveDatabaseHasWhatARecoveredCopyLoses) {
  const auto [variant, locking] = GetParam();
  const TemporaryDirectory directory;
  const std::string path = directory.file("z.db");
  WriterProcess owner = make_zero_salt_wal(path, variant, locking);
  EXPECT_EQ(owner.counters().result, zero_salt_live_sum(variant));
  EXPECT_EQ(std::filesystem::exists(path + "-shm"), locking == LockingMode::normal);
  const WalSurvey wal = survey_wal(path + "-wal");
  EXPECT_GT(wal.zero_salt, 0U);
  switch (variant) {
    case ZeroSaltVariant::plain:
    case ZeroSaltVariant::failed_statement:
      EXPECT_EQ(wal.committed, wal.valid);
      EXPECT_GT(wal.committed, 0U);
      break;
    case ZeroSaltVariant::spilled_before_savepoint:
      EXPECT_GT(wal.valid, wal.committed) << "sound frames of the transaction come first";
      break;
    case ZeroSaltVariant::first_of_generation:
      EXPECT_EQ(wal.valid, 0U);
      EXPECT_LT(wal.frames, 500U) << "journal_size_limit = 0 cuts the WAL at the commit";
      break;
  }

  // By copies alone: a descriptor of the database itself would be the owner's, not this test's.
  const std::string copy = directory.file("copy.db");
  std::filesystem::copy_file(path, copy);
  std::filesystem::copy_file(path + "-wal", copy + "-wal");
  sqlite::Connection recovered(copy, sqlite::OpenMode::read_write);
  EXPECT_EQ(recovered.text("PRAGMA integrity_check"), "ok");
  EXPECT_NE(recovered.integer("SELECT sum(v) FROM a"), zero_salt_live_sum(variant))
      << "the bug is not there: the checksums lead to the last commit";
  EXPECT_TRUE(owner.running());
}

INSTANTIATE_TEST_SUITE_P(Variants, ZeroSalt,
                         testing::Combine(testing::Values(ZeroSaltVariant::plain,
                                                          ZeroSaltVariant::spilled_before_savepoint,
                                                          ZeroSaltVariant::first_of_generation,
                                                          ZeroSaltVariant::failed_statement),
                                          testing::Values(LockingMode::normal,
                                                          LockingMode::exclusive)),
                         [](const testing::TestParamInfo<ZeroSalt::ParamType>& test) {
                           std::string name(to_string(std::get<0>(test.param)));
                           for (char& c : name) {
                             if (c == '-') c = '_';
                           }
                           return name + "_" + std::string(to_string(std::get<1>(test.param)));
                         });

TEST(ZeroSaltFrames, ALiveReaderSeesTheCommit) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("z.db");
  WriterProcess owner = make_zero_salt_wal(path, ZeroSaltVariant::plain);
  sqlite::Connection reader(path, sqlite::OpenMode::read_only);
  EXPECT_EQ(reader.integer("SELECT sum(v) FROM a"), 7);
  EXPECT_EQ(reader.integer("SELECT v FROM a WHERE id = 400"), 7);
}

}  // namespace
}  // namespace sqlbk::kit
