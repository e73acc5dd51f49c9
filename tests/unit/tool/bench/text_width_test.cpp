#include "bench/page/text_width.hpp"

#include <gtest/gtest.h>

namespace sqlbk::tool::bench::page {
namespace {

TEST(TextWidth, WhatFitsIsLeftAlone) {
  EXPECT_EQ(fitted("cp", 12, 100), "cp");
  EXPECT_EQ(fitted("", 12, 0), "");
}

TEST(TextWidth, WhatDoesNotFitIsCut) {
  const std::string name(300, 'W');
  const std::string cut = fitted(name, 12, 100);
  EXPECT_LT(cut.size(), 20U);
  EXPECT_TRUE(cut.ends_with("W…"));
  EXPECT_LE(text_width(cut, 12), 100);
}

TEST(TextWidth, CharactersAreNotCutApart) {
  const std::string cut = fitted("ééééééééééééééé", 12, 60);
  EXPECT_EQ(cut, "ééé…");
}

TEST(TextWidth, NoRoomStillShowsThatThereIsSomething) {
  EXPECT_EQ(fitted("name", 12, 0), "…");
}

}  // namespace
}  // namespace sqlbk::tool::bench::page
