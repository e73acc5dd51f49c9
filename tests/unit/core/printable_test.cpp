#include "sqlbk/core/printable.hpp"

#include <string>

#include <gtest/gtest.h>

#include "sqlbk/core/error.hpp"

namespace sqlbk {
namespace {

TEST(Printable, TextStaysAsItIs) {
  EXPECT_EQ(printable(""), "");
  EXPECT_EQ(printable("back\\slash 'quote' %s"), "back\\slash 'quote' %s");
  EXPECT_EQ(printable("Übergröße ★ 日本語 עברית \U0001f600"),
            "Übergröße ★ 日本語 עברית \U0001f600");
  EXPECT_EQ(printable("\u200d\u200c"), "\u200d\u200c") << "joiners belong to words and signs";
}

TEST(Printable, ControlBytesAreEscaped) {
  for (int byte = 0; byte < 0x20; ++byte) {
    std::string escape = "\\x";
    escape += "01"[byte / 16];
    escape += "0123456789abcdef"[byte % 16];
    EXPECT_EQ(printable(std::string(1, static_cast<char>(byte))), escape);
  }
  EXPECT_EQ(printable("\x7f"), "\\x7f");
}

// ECMA-48: a terminal in UTF-8 takes U+009B for ESC [.
TEST(Printable, C1IsEscaped) {
  EXPECT_EQ(printable("\u0080\u0085\u009b2J\u009d0;title\u009c\u009f"),
            "\\u0080\\u0085\\u009b2J\\u009d0;title\\u009c\\u009f");
  EXPECT_EQ(printable("\u00a0é"), "\u00a0é") << "the first behind them";
}

TEST(Printable, WhatChangesTheDirectionIsEscaped) {
  EXPECT_EQ(printable("\u202e\u202a\u202b\u202c\u202d"), "\\u202e\\u202a\\u202b\\u202c\\u202d");
  EXPECT_EQ(printable("\u2066\u2067\u2068\u2069"), "\\u2066\\u2067\\u2068\\u2069");
  EXPECT_EQ(printable("\u200e\u200f\u061c"), "\\u200e\\u200f\\u061c");
}

TEST(Printable, WhatEndsALineOrCannotBeSeenIsEscaped) {
  EXPECT_EQ(printable("a\u2028b\u2029c"), "a\\u2028b\\u2029c");
  EXPECT_EQ(printable("\ufeff\U000e0041"), "\\ufeff\\U000e0041");
}

TEST(Printable, BytesThatAreNoUtf8AreEscaped) {
  EXPECT_EQ(printable("a\xff\xfe"), "a\\xff\\xfe");
  EXPECT_EQ(printable("\x9b"), "\\x9b") << "C1 of a terminal in Latin-1";
  EXPECT_EQ(printable("\xc0\x80"), "\\xc0\\x80") << "longer than it must be";
  EXPECT_EQ(printable("\xc0\x9b"), "\\xc0\\x9b");
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond the last";
  EXPECT_EQ(printable("\xe2\x82"), "\\xe2\\x82") << "cut off";
  EXPECT_EQ(printable("\xc3\x1b[2J"), "\\xc3\\x1b[2J") << "what follows is a character of its own";
}

TEST(Printable, OnceMoreChangesNothing) {
  const std::string once = printable("a\n\x1b[0m\xff\u202e\\");
  EXPECT_EQ(printable(once), once);
}

TEST(Printable, QuotedIsPrintable) {
  EXPECT_EQ(quoted("\u009b\u202e\xff"), "'\\u009b\\u202e\\xff'");
}

}  // namespace
}  // namespace sqlbk
