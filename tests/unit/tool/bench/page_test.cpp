#include "bench/page.hpp"

#include <gtest/gtest.h>

#include "../made_up_results.hpp"

namespace sqlbk::tool::bench {
namespace {

using testing::TestWithParam;

bool has(const std::string& page, std::string_view text) {
  return page.find(text) != std::string::npos;
}

class EveryPage : public TestWithParam<std::string> {};

TEST_P(EveryPage, FetchesNothingAndRunsNothing) {
  const std::string page = render_page(test::made_up_results(GetParam()));
  for (const char* text : {"http:", "https:", "//", "@import", "<script", "<iframe", "<img"}) {
    EXPECT_FALSE(has(page, text)) << text;
  }
}

TEST_P(EveryPage, HasNoFigureThatIsNone) {
  const std::string page = render_page(test::made_up_results(GetParam()));
  for (const char* text : {"nan", "inf ", "inf<", "-0 ", "\"-"}) {
    EXPECT_FALSE(has(page, text)) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Made, EveryPage, testing::ValuesIn(test::made_up_names()),
                         [](const auto& made) {
                           std::string name = made.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

TEST(Page, SaysHowToRepeatItAndWhereItWasMeasured) {
  const Results results = test::made_up_results("ordinary");
  const std::string page = render_page(results);
  for (const std::string& text :
       {results.command, results.began, results.sqlbk_version, results.sqlite_version,
        results.machine.processor, results.machine.kernel, results.machine.file_system}) {
    EXPECT_TRUE(has(page, text)) << text;
  }
  EXPECT_TRUE(has(page, "<em>torn</em>"));
  EXPECT_TRUE(has(page, "<em>stale</em>"));
}

TEST(Page, SaysWhyAToolWasNotRunOrFailed) {
  const std::string page = render_page(test::made_up_results("ordinary"));
  EXPECT_TRUE(has(page, "sqlite3_rsync (not installed)"));
  EXPECT_TRUE(has(page, "all 7 runs failed"));
  EXPECT_TRUE(has(page, "Error: stepping, database or disk is full (13)"));
}

TEST(Page, SeveralSizesMakeALineForEachTool) {
  EXPECT_TRUE(has(render_page(test::made_up_results("ordinary")), "id=\"size-title\""));
  EXPECT_FALSE(has(render_page(test::made_up_results("one-size")), "id=\"size-title\""));
}

TEST(Page, WithoutTimesThereIsNoLineToDraw) {
  const std::string page = render_page(test::made_up_results("nothing-worked"));
  EXPECT_FALSE(has(page, "id=\"size-title\""));
  EXPECT_TRUE(has(page, "all 3 runs failed"));
  EXPECT_TRUE(has(page, "none of 3 made"));
}

TEST(Page, ARareBadCopyIsSeen) {
  const std::string page = render_page(test::made_up_results("ordinary"));
  EXPECT_TRUE(has(page, "2 of 1000 bad"));
  EXPECT_TRUE(has(page, "998 good, 1 torn, 1 stale"));
}

TEST(Page, HostileTextsStayTexts) {
  const std::string page = render_page(test::made_up_results("hostile"));
  EXPECT_TRUE(has(page, "&lt;script&gt;alert('1')&lt;/script&gt;&quot;&amp;\ufffd\ufffd]]&gt;"));
}

}  // namespace
}  // namespace sqlbk::tool::bench
