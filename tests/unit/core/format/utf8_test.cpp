#include "sqlbk/format/utf8.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace sqlbk::format {
namespace {

using Values = std::vector<std::optional<char32_t>>;

Values values_of(std::string_view text) {
  Values values;
  while (!text.empty()) {
    const Utf8Character character = next_character(text);
    EXPECT_TRUE(text.starts_with(character.bytes));
    text.remove_prefix(character.bytes.size());
    values.push_back(character.value);
  }
  return values;
}

TEST(Utf8, CharactersOfEveryLength) {
  EXPECT_EQ(values_of("a\x7f\u0080\u07ff\u0800\uffff\U00010000\U0010ffff"),
            (Values{'a', 0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff}));
  EXPECT_EQ(values_of(std::string_view("\0", 1)), Values{0});
}

TEST(Utf8, WhatIsNotWellFormedIsTakenByteByByte) {
  const std::optional<char32_t> bad;
  EXPECT_EQ(values_of("\x80z\xff"), (Values{bad, 'z', bad}));
  EXPECT_EQ(values_of("\xc1\x81"), (Values{bad, bad})) << "longer than it must be";
  EXPECT_EQ(values_of("\xe0\x80\x9b"), (Values{bad, bad, bad}));
  EXPECT_EQ(values_of("\xed\xb0\x80"), (Values{bad, bad, bad})) << "a surrogate";
  EXPECT_EQ(values_of("\xf4\x90\x80\x80"), (Values{bad, bad, bad, bad})) << "beyond the last";
  EXPECT_EQ(values_of("\xe2\x82"), (Values{bad, bad})) << "cut off";
  EXPECT_EQ(values_of("\xe2z\x82"), (Values{bad, 'z', bad}));
}

}  // namespace
}  // namespace sqlbk::format
