#include "bench/page/markup.hpp"

#include <limits>

#include <gtest/gtest.h>

#include "bench/page/svg.hpp"

namespace sqlbk::tool::bench::page {
namespace {

constexpr const char* kReplacement = "\ufffd";

TEST(Markup, WhatHasAMeaningIsEscaped) {
  EXPECT_EQ(escaped("a<b>&\"c\""), "a&lt;b&gt;&amp;&quot;c&quot;");
  EXPECT_EQ(escaped("tab\tline\n"), "tab\tline\n");
}

TEST(Markup, WhatXmlCannotHoldIsReplaced) {
  const std::string bad(kReplacement);
  EXPECT_EQ(escaped(std::string_view("\0\x1b\x7f", 3)), bad + bad + bad);
  EXPECT_EQ(escaped("\xff"
                    "a"),
            bad + "a");
  EXPECT_EQ(escaped("\xc3"), bad) << "cut off";
  EXPECT_EQ(escaped("\xc0\x80"), bad + bad) << "longer than it must be";
  EXPECT_EQ(escaped("\xed\xa0\x80"), bad + bad + bad) << "a surrogate";
  EXPECT_EQ(escaped("\xef\xbf\xbf"), bad) << "no character";
  EXPECT_EQ(escaped("é…\U0001f600"), "é…\U0001f600");
}

TEST(Markup, ElementsEndWithTheirScope) {
  Markup markup;
  {
    const Element outer(markup, "div", {{"title", "a \"b\""}});
    markup.element("em", "x<y");
    markup.empty("meta", {{"name", "&"}});
  }
  EXPECT_EQ(markup.take(),
            "<div title=\"a &quot;b&quot;\"><em>x&lt;y</em><meta name=\"&amp;\"/>\n</div>\n");
}

TEST(Markup, CoordinatesAreShort) {
  EXPECT_EQ(coordinate(12), "12");
  EXPECT_EQ(coordinate(12.34), "12.3");
  EXPECT_EQ(coordinate(-0.01), "0");
  EXPECT_EQ(coordinate(std::numeric_limits<double>::quiet_NaN()), "0") << "no number";
}

}  // namespace
}  // namespace sqlbk::tool::bench::page
