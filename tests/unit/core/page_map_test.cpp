#include "sqlbk/core/page_map.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "wal_files.hpp"

namespace sqlbk {
namespace {

using test::Random;

PageMap map_of(const std::vector<PageSlot>& puts) {
  PageMapBuilder builder;
  for (const PageSlot& put : puts) builder.put(put.page_number, put.slot);
  return std::move(builder).finish(0xffffffff);
}

// A map says of each page what was put last.
std::vector<PageSlot> expected_of(const std::vector<PageSlot>& puts) {
  std::map<std::uint32_t, std::uint32_t> last;
  for (const PageSlot& put : puts) last[put.page_number] = put.slot;
  std::vector<PageSlot> pages;
  for (const auto& [page_number, slot] : last) pages.push_back({page_number, slot});
  return pages;
}

std::vector<PageSlot> in_order(std::span<const PageSlot> pages) {
  return {pages.begin(), pages.end()};
}

TEST(PageMap, AnEmptyOneHasNoPage) {
  const PageMap map = map_of({});
  EXPECT_TRUE(map.pages().empty());
  EXPECT_TRUE(map.pages(1, 0xffffffff).empty());
  EXPECT_EQ(map.slot_of(1), 0U);
}

TEST(PageMap, TheLastPutOfAPageCounts) {
  const PageMap map = map_of({{7, 1}, {3, 2}, {7, 3}, {7, 4}, {3, 5}, {9, 6}});
  EXPECT_EQ(in_order(map.pages()), (std::vector<PageSlot>{{3, 5}, {7, 4}, {9, 6}}));
  EXPECT_EQ(map.slot_of(7), 4U);
  EXPECT_EQ(map.slot_of(8), 0U);
}

TEST(PageMap, ARangeHasItsFirstAndItsLastPage) {
  const PageMap map = map_of({{2, 1}, {4, 2}, {6, 3}, {0xffffffff, 4}});
  EXPECT_EQ(in_order(map.pages(4, 6)), (std::vector<PageSlot>{{4, 2}, {6, 3}}));
  EXPECT_EQ(in_order(map.pages(3, 5)), (std::vector<PageSlot>{{4, 2}}));
  EXPECT_TRUE(map.pages(5, 5).empty());
  EXPECT_TRUE(map.pages(7, 0xfffffffe).empty());
  EXPECT_EQ(in_order(map.pages(7, 0xffffffff)), (std::vector<PageSlot>{{0xffffffff, 4}}));
}

// Few pages put often, many put once, wild numbers: each more than once through the builder's
// vector.
TEST(PageMap, HoldsWhatAMapHolds) {
  Random random(1);
  for (const std::uint32_t bound : {1U, 10U, 300U, 5000U, 1000000U, 0xffffffffU}) {
    for (const std::uint32_t count : {1U, 2U, 1000U, 65536U, 65537U, 300000U}) {
      std::vector<PageSlot> puts;
      for (std::uint32_t i = 1; i <= count; ++i) puts.push_back({random.below(bound) + 1, i});
      const PageMap map = map_of(puts);
      const std::vector<PageSlot> expected = expected_of(puts);
      ASSERT_EQ(in_order(map.pages()), expected) << bound << ", " << count;
      for (int i = 0; i < 100; ++i) {
        const PageSlot& put = puts[random.below(count)];
        const auto found =
            std::ranges::lower_bound(expected, put.page_number, {}, &PageSlot::page_number);
        ASSERT_EQ(map.slot_of(put.page_number), found->slot);
      }
    }
  }
}

TEST(PageMap, BySlotIsTheOrderOfTheFile) {
  Random random(2);
  std::vector<PageSlot> puts;
  for (std::uint32_t i = 1; i <= 5000; ++i) puts.push_back({random.below(3000) + 1, i});
  const PageMap map = map_of(puts);
  std::vector<PageSlot> expected = in_order(map.pages());
  std::ranges::sort(expected, {}, &PageSlot::slot);
  EXPECT_EQ(by_slot(map.pages()), expected);
}

}  // namespace
}  // namespace sqlbk
