#include "strategy/kept_pages.hpp"

#include <cstdint>
#include <fcntl.h>
#include <map>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "sqlbk/core/io.hpp"
#include "wal_files.hpp"

namespace sqlbk::copy {
namespace {

using test::Buffer;
using test::Random;

// A map says of each page what was put last, and what a view over main shows.
class KeptPagesTest : public testing::TestWithParam<std::uint32_t> {
 protected:
  void put(std::uint32_t page_number) {
    Buffer page(GetParam());
    random_.fill(page);
    kept_.put(page_number, page);
    expected_[page_number] = page;
  }
  void expect_all(std::uint32_t last_page) {
    const NewerPages kept = kept_.pages(last_page);
    auto wanted = expected_.begin();
    Buffer page(GetParam());
    for (const PageSlot& slot : kept.map.pages()) {
      ASSERT_EQ(slot.page_number, wanted->first);
      kept.read(slot, 0, page);
      ASSERT_TRUE(page == wanted->second) << slot.page_number;
      ++wanted;
    }
    EXPECT_TRUE(wanted == expected_.upper_bound(last_page));
  }

  kit::TemporaryDirectory directory_;
  KeptPages kept_{directory_.file("kept"), GetParam()};
  Random random_{1};
  std::map<std::uint32_t, Buffer> expected_;
};

TEST_P(KeptPagesTest, TheLastPutOfAPageCounts) {
  for (int i = 0; i < 200; ++i) put(random_.between(1, 60));
  expect_all(60);
  expect_all(30);
  put(30);
  expect_all(60);
}

// In groups that do not come up in order, and at their edges.
TEST_P(KeptPagesTest, PagesOfManyGroups) {
  for (const std::uint32_t page : {8192U, 1U, 4096U, 8191U, 4095U, 20000U, 4097U, 12287U})
    put(page);
  for (int i = 0; i < 100; ++i) put(random_.between(1, 30000));
  expect_all(30000);
  expect_all(8191);
}

// By its number alone such a page would lie behind the largest size that a file can have.
TEST_P(KeptPagesTest, WildPageNumbers) {
  for (const std::uint32_t page : {3U, 0xffffffffU, 0x80000000U, 0xfffffffeU, 0xffffffffU})
    put(page);
  expect_all(0xffffffff);
  expect_all(3);
}

TEST_P(KeptPagesTest, TheFileHasNoName) {
  put(1);
  EXPECT_TRUE(test::names_in(directory_.path()).empty());
}

INSTANTIATE_TEST_SUITE_P(PageSizes, KeptPagesTest, testing::Values(512U, 4096U, 65536U));

}  // namespace
}  // namespace sqlbk::copy
