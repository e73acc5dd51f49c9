#include "json_output.hpp"

#include <sstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sqlbk::tool {
namespace {

TEST(JsonText, HoldsNothingThatATerminalWouldNotShow) {
  const std::string text = "\x1b[2J\x7f\u009b\u202e\u2028\U000e0041 é\U0001f600\n";
  const std::string json = json_text({{"text", text}});
  EXPECT_EQ(json,
            "{\"text\":\"\\u001b[2J\\u007f\\u009b\\u202e\\u2028\\udb40\\udc41 "
            "é\U0001f600\\n\"}");
  EXPECT_EQ(nlohmann::json::parse(json).at("text"), text) << "and means the same";
}

TEST(JsonText, BytesThatAreNoUtf8AreReplaced) {
  EXPECT_EQ(json_text("a\xff"), "\"a\ufffd\"");
}

TEST(JsonText, LinesAreKept) {
  EXPECT_EQ(json_text({{"a", 1}}, 2), "{\n  \"a\": 1\n}");
  std::ostringstream line;
  TextOutput out(line);
  print_json(out, {{"a", "b"}});
  EXPECT_EQ(line.str(), "{\"a\":\"b\"}\n");
}

}  // namespace
}  // namespace sqlbk::tool
