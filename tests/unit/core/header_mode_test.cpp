#include "sqlbk/core/header_mode.hpp"

#include <gtest/gtest.h>

#include "database.hpp"
#include "wal_files.hpp"
#include "wal_pair.hpp"

namespace sqlbk {
namespace {

using test::Buffer;
using test::Database;
using test::empty_schema_page;
using test::read_file;
using test::WalPairTest;

using HeaderModeTest = WalPairTest;

TEST_F(HeaderModeTest, IsSetAndNothingElse) {
  for (const std::uint32_t page_size : {512U, 65536U}) {
    Buffer before = empty_schema_page(directory_, page_size);
    before.resize(3 * std::size_t{page_size}, std::byte{5});
    for (const bool wal : {true, false}) {
      const UniqueFd main = main_with(before);
      set_header_mode(main.get(), main_path(), wal);
      Buffer expected = before;
      expected[18] = expected[19] = wal ? std::byte{2} : std::byte{1};
      EXPECT_TRUE(read_file(main_path()) == expected);
      Database database(main_path());
      EXPECT_EQ(database.text("PRAGMA journal_mode"), wal ? "wal" : "delete");
    }
    // One of the two bytes alone is not enough.
    Buffer half = before;
    half[18] = std::byte{2};
    const UniqueFd main = main_with(half);
    set_header_mode(main.get(), main_path(), true);
    EXPECT_EQ(read_file(main_path())[19], std::byte{2});
  }
}

TEST_F(HeaderModeTest, OfWhatIsNoDatabaseIsLeftAlone) {
  Buffer wrong = empty_schema_page(directory_, 512);
  wrong[21] = std::byte{0};
  for (const Buffer& bytes :
       {Buffer{}, Buffer(99, std::byte{3}), Buffer(512, std::byte{3}), wrong}) {
    const UniqueFd main = main_with(bytes);
    set_header_mode(main.get(), main_path(), true);
    EXPECT_TRUE(read_file(main_path()) == bytes) << bytes.size();
  }
}

}  // namespace
}  // namespace sqlbk
