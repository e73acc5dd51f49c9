#include "terminal.hpp"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <ostream>
#include <sstream>
#include <streambuf>
#include <string>

#include <gtest/gtest.h>

namespace sqlbk::tool {
namespace {

TEST(TextOutput, LiteralsOfTheSourceStayAsTheyAre) {
  std::ostringstream text;
  TextOutput(text) << "one\n\ttwo" << '\n' << 3U << ' ' << std::int64_t{-4};
  EXPECT_EQ(text.str(), "one\n\ttwo\n3 -4");
}

TEST(TextOutput, EveryOtherTextIsPartOfOneLine) {
  const std::string foreign = "a\nFAKE: ok\x1b[2J\u009b\u202e\xff";
  const std::string shown = "a\\x0aFAKE: ok\\x1b[2J\\u009b\\u202e\\xff";
  std::ostringstream text;
  TextOutput out(text);
  out << foreign << '|' << std::string_view(foreign) << '|' << foreign.c_str() << '\n';
  EXPECT_EQ(text.str(), shown + '|' + shown + '|' + shown + '\n');
}

TEST(TextOutput, ACharacterMayEndALineAndNothingElse) {
  std::ostringstream text;
  TextOutput(text) << '\x1b' << '\r' << '\n';
  EXPECT_EQ(text.str(), "\\x1b\\x0d\n");
}

TEST(TextOutput, OwnTextHasLines) {
  std::ostringstream text;
  TextOutput(text).own(std::string("usage:\n  x\n")) << std::string("\n");
  EXPECT_EQ(text.str(), "usage:\n  x\n\\x0a");
}

class Full : public std::streambuf {
  int_type overflow(int_type /*character*/) override {
    errno = ENOSPC;
    return traits_type::eof();
  }
};

TEST(TextOutput, SaysWhyAWriteFailed) {
  Full full;
  std::ostream stream(&full);
  TextOutput out(stream);
  EXPECT_FALSE(out.failed());
  EXPECT_EQ(out.os_errno(), 0);
  out << "x";
  EXPECT_TRUE(out.failed());
  EXPECT_EQ(out.os_errno(), ENOSPC);
  errno = EIO;
  out << "y";
  out.flush();
  EXPECT_EQ(out.os_errno(), ENOSPC) << "the first";
}

}  // namespace
}  // namespace sqlbk::tool
