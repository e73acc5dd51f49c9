#include "cksumvfs.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "database.hpp"
#include "slow_cksumvfs.hpp"
#include "sqlbk/core/header_mode.hpp"
#include "wal_files.hpp"
#include "wal_oracle.hpp"
#include "wal_pair.hpp"

namespace sqlbk {
namespace {

using test::Buffer;
using test::checkpointed_by_sqlite;
using test::Database;
using test::empty_schema_page;
using test::Files;
using test::read_file;
using test::WalPairTest;

class CksumvfsTest : public WalPairTest, public testing::WithParamInterface<std::uint32_t> {
 protected:
  // A checkpointed main file with 8 reserved bytes a page, and a WAL with later transactions.
  Files made_by_sqlite() const {
    const std::string path = directory_.file("reserved.db");
    Files files;
    {
      Database database(path);
      database.leave_wal();
      database.run("PRAGMA page_size=" + std::to_string(GetParam()));
      int reserved = 8;
      EXPECT_EQ(
          sqlite3_file_control(database.handle(), "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved),
          SQLITE_OK);
      database.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=0");
      database.run("CREATE TABLE a(id INTEGER PRIMARY KEY, data)");
      for (int i = 0; i < 20; ++i) database.run("INSERT INTO a(data) VALUES (randomblob(900))");
      database.run("PRAGMA wal_checkpoint(TRUNCATE)");
      database.run("UPDATE a SET data = randomblob(800) WHERE id % 3 = 0");
      database.run("INSERT INTO a(data) VALUES (randomblob(70000))");
    }
    files = {read_file(path), read_file(path + "-wal"), ""};
    EXPECT_EQ(files.main[20], std::byte{8});
    return files;
  }
  Buffer applied(const Files& files) {
    const UniqueFd main = main_with(files.main);
    const UniqueFd wal = wal_with(files.wal);
    const WalScan found = scan_wal(wal.get(), wal_path(), context_.context);
    EXPECT_GT(found.committed.frames, 0U);
    apply(found.committed, wal, main);
    return read_file(main_path());
  }
};

TEST_P(CksumvfsTest, AppliedPagesAreSealed) {
  Files files = made_by_sqlite();
  test::seal_slowly(files.main, GetParam());
  Buffer expected = checkpointed_by_sqlite(files, directory_).main;
  test::seal_slowly(expected, GetParam());
  EXPECT_TRUE(applied(files) == expected);
}

TEST_P(CksumvfsTest, EightReservedBytesAloneAreNotChecksums) {
  const Files files = made_by_sqlite();
  EXPECT_TRUE(applied(files) == checkpointed_by_sqlite(files, directory_).main);
}

// A page that was being checkpointed while it was copied is torn until the WAL lies over it.
TEST_P(CksumvfsTest, OneSoundPageAmongTornOnesIsEnough) {
  Files files = made_by_sqlite();
  test::seal_slowly(files.main, GetParam());
  const std::size_t pages = files.main.size() / GetParam();
  for (std::size_t page = 0; page < pages; ++page) {
    if (page != 1) files.main[page * GetParam() + GetParam() - 1] ^= std::byte{1};
  }
  const UniqueFd main = main_with(files.main);
  EXPECT_TRUE(CksumvfsPages(main.get(), main_path(), GetParam()).in_use());
}

TEST_P(CksumvfsTest, ZeroPagesProveNothing) {
  Buffer main = made_by_sqlite().main;
  std::fill(main.begin() + GetParam(), main.end(), std::byte{0});
  ASSERT_TRUE(std::ranges::equal(test::slow_cksumvfs(std::span(main).last(GetParam())),
                                 std::array<std::byte, 8>{}));
  const UniqueFd fd = main_with(main);
  EXPECT_FALSE(CksumvfsPages(fd.get(), main_path(), GetParam()).in_use());
}

TEST_P(CksumvfsTest, HeaderModeIsSealed) {
  Buffer main = made_by_sqlite().main;
  test::seal_slowly(main, GetParam());
  const UniqueFd fd = main_with(main);
  set_header_mode(fd.get(), main_path(), false);
  main[18] = main[19] = std::byte{1};
  test::seal_slowly(main, GetParam());
  EXPECT_TRUE(read_file(main_path()) == main);
}

TEST_P(CksumvfsTest, OtherReservedSizesAreNotChecksums) {
  for (const unsigned reserved : {0U, 7U, 9U}) {
    Buffer main = empty_schema_page(directory_, GetParam());
    main[20] = static_cast<std::byte>(reserved);
    test::seal_slowly(main, GetParam());
    const UniqueFd fd = main_with(main);
    EXPECT_FALSE(CksumvfsPages(fd.get(), main_path(), GetParam()).in_use()) << reserved;
  }
}

// Room for checksums that VACUUM has made, in the WAL still: nobody has computed them yet.
TEST_P(CksumvfsTest, RoomThatVacuumMadeIsSealed) {
  const std::string path = directory_.file("vacuumed.db");
  Files files;
  {
    Database database(path);
    database.leave_wal();
    database.run("PRAGMA page_size=" + std::to_string(GetParam()));
    database.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=0");
    database.run("CREATE TABLE a(id INTEGER PRIMARY KEY, data)");
    for (int i = 0; i < 20; ++i) database.run("INSERT INTO a(data) VALUES (randomblob(900))");
    database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    int reserved = 8;
    EXPECT_EQ(
        sqlite3_file_control(database.handle(), "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved),
        SQLITE_OK);
    database.run("VACUUM");
    database.run("UPDATE a SET data = randomblob(800) WHERE id % 3 = 0");
  }
  files = {read_file(path), read_file(path + "-wal"), ""};
  ASSERT_EQ(files.main[20], std::byte{0});
  Buffer expected = checkpointed_by_sqlite(files, directory_).main;
  ASSERT_EQ(expected[20], std::byte{8});
  test::seal_slowly(expected, GetParam());
  EXPECT_TRUE(applied(files) == expected);
}

INSTANTIATE_TEST_SUITE_P(PageSizes, CksumvfsTest, testing::Values(512U, 4096U, 65536U));

}  // namespace
}  // namespace sqlbk
