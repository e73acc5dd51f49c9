#include "copy_attributes.hpp"

#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

namespace sqlbk {
namespace {

FileStat file(mode_t mode, uid_t uid = ::geteuid()) {
  FileStat stat;
  stat.mode = S_IFREG | mode;
  stat.uid = uid;
  return stat;
}

std::string all(const KeptAttributes& kept, const FileStat& source, const FileStat& copy) {
  std::string text;
  for (const std::string& warning : warnings_of(kept, source, copy, "x.db")) text += warning + '\n';
  return text;
}

TEST(WarningsOfAttributes, NoneWhereEverythingIsAsItWasToBe) {
  EXPECT_EQ(all({.mode = 0640}, file(0640), file(0640)), "");
  EXPECT_EQ(all({.mode = 0640}, file(0640, 4711), file(0640, 4711)), "") << "--preserve by root";
}

TEST(WarningsOfAttributes, ANarrowerModeIsNamed) {
  const std::string text = all({.mode = 0640}, file(0640), file(0600));
  EXPECT_NE(text.find("'x.db'"), std::string::npos) << text;
  EXPECT_NE(text.find("mode 0600, not mode 0640\n"), std::string::npos) << text;
}

TEST(WarningsOfAttributes, AWiderModeIsCalledSo) {
  const std::string text = all({.mode = 0600}, file(0600), file(0755));
  EXPECT_NE(text.find("mode 0755, not mode 0600: more users may read or write it"),
            std::string::npos)
      << text;
}

TEST(WarningsOfAttributes, AnotherOwnerIsNamed) {
  const std::string text = all({.mode = 0600}, file(0600), file(0600, 4711));
  EXPECT_NE(text.find("belongs to 4711:0"), std::string::npos) << text;
  EXPECT_NE(text.find(": that user may read it"), std::string::npos) << text;
}

TEST(WarningsOfAttributes, EachThatIsLostHasOne) {
  const KeptAttributes kept{.mode = 0600, .owner = false, .times = false, .no_other_list = false};
  EXPECT_EQ(warnings_of(kept, file(0600), file(0600), "x.db").size(), 3U);
}

}  // namespace
}  // namespace sqlbk
