#include "bench/page/text_width.hpp"

#include <gtest/gtest.h>

namespace sqlbk::tool::bench::page {
namespace {

constexpr Font kFont{12, Weight::bold};

TEST(TextWidth, WhatFitsIsLeftAlone) {
  EXPECT_EQ(fitted("cp", kFont, 100), "cp");
  EXPECT_EQ(fitted("", kFont, 0), "");
}

TEST(TextWidth, OfWhatDoesNotFitBothEndsAreKept) {
  const std::string cut = fitted("a tool with a very long name, number 17", kFont, 100);
  EXPECT_TRUE(cut.starts_with("a to")) << cut;
  EXPECT_TRUE(cut.ends_with(" 17")) << cut;
  EXPECT_NE(cut.find("…"), std::string::npos) << cut;
  EXPECT_LE(text_width(cut, kFont), 100);
}

TEST(TextWidth, BoldTextIsWider) {
  EXPECT_GT(text_width("name", kFont), text_width("name", {12, Weight::regular}));
}

TEST(TextWidth, CharactersAreNotCutApart) {
  EXPECT_EQ(fitted("ééééééééééééééé", kFont, 60), "éé…é");
}

TEST(TextWidth, NoRoomStillShowsThatThereIsSomething) {
  EXPECT_EQ(fitted("name", kFont, 0), "…");
}

}  // namespace
}  // namespace sqlbk::tool::bench::page
