#include "sqlbk/format/checksum_file.hpp"

#include <gtest/gtest.h>

namespace sqlbk::format {
namespace {

const std::string kDigest(64, 'a');
const std::string kOther(64, '7');

TEST(ChecksumFile, IsWhatSha256sumWrites) {
  EXPECT_EQ(to_text({{kDigest, "copy.db"}, {kOther, "copy.db-wal"}}),
            kDigest + "  copy.db\n" + kOther + "  copy.db-wal\n");
  EXPECT_EQ(to_text({{kDigest, "a\\b\nc"}}), "\\" + kDigest + "  a\\\\b\\nc\n");
  EXPECT_EQ(to_text({}), "");
}

TEST(ChecksumFile, IsReadAsItWasWritten) {
  for (const std::string name : {"copy.db", " a b ", "a\\b", "a\nb", "\\n", "a\\\nb", "\xff\x01"}) {
    const std::vector<ChecksumLine> lines{{kDigest, name}, {kOther, name + "-wal"}};
    EXPECT_EQ(parse_checksum_lines(to_text(lines)), lines) << name;
  }
}

TEST(ChecksumFile, OtherFormsThatSha256sumKnows) {
  const std::vector<ChecksumLine> one{{kDigest, "copy.db"}};
  EXPECT_EQ(parse_checksum_lines(std::string(64, 'A') + " *copy.db"), one) << "binary, upper case";
  EXPECT_EQ(parse_checksum_lines("\\" + kDigest + "  a\\rb\n"),
            (std::vector<ChecksumLine>{{kDigest, "a\rb"}}));
}

TEST(ChecksumFile, WhatIsNoLineIsLeftOut) {
  for (const std::string& text :
       {std::string(), std::string("\n\n"), kDigest, kDigest + "  ", kDigest + "copy.db",
        kDigest.substr(1) + "  copy.db", kDigest.substr(1) + "g  copy.db", kDigest + "\t copy.db",
        kDigest + " +copy.db", std::string("\\")}) {
    EXPECT_TRUE(parse_checksum_lines(text).empty()) << text;
  }
  EXPECT_EQ(parse_checksum_lines("# a remark\n" + kDigest + "  copy.db\nrest").size(), 1U);
}

}  // namespace
}  // namespace sqlbk::format
