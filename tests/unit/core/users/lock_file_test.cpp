// Lock files beside a database, as programs write them.
#include "users/lock_file.hpp"

#include <filesystem>

#include <gtest/gtest.h>

#include "files.hpp"
#include "kit/temporary_directory.hpp"

namespace sqlbk::users {
namespace {

TEST(LockFileText, IsThatOfTheFileOrOfTheLink) {
  const kit::TemporaryDirectory directory;
  test::write_text(directory.file("x.db"), "");
  const LiveFiles files(directory.file("x.db"));
  const std::string path = directory.file("x.db.lock");
  EXPECT_EQ(read_lock_file(files), std::nullopt);
  test::write_text(path, "4711\n");
  EXPECT_EQ(read_lock_file(files), "4711\n");
  test::write_text(path, std::string(10'000, '7'));
  EXPECT_EQ(read_lock_file(files)->size(), 256U);
  std::filesystem::remove(path);
  std::filesystem::create_symlink("host:+4711", path);
  EXPECT_EQ(read_lock_file(files), "host:+4711");
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  EXPECT_EQ(read_lock_file(files), std::nullopt);
}

TEST(LockFileText, Numbers) {
  EXPECT_EQ(numbers_in(""), std::vector<int>());
  EXPECT_EQ(numbers_in("4711"), std::vector<int>{4711});
  EXPECT_EQ(numbers_in("{\"pid\": 4711, \"since\": 20261127}"), (std::vector<int>{4711, 20261127}));
  EXPECT_EQ(numbers_in("0 1 2 99999999999999999999"), std::vector<int>{2});
}

TEST(LockFileText, OneNumberAlone) {
  EXPECT_TRUE(is_one_number("4711"));
  EXPECT_TRUE(is_one_number("  4711\n"));
  EXPECT_FALSE(is_one_number(""));
  EXPECT_FALSE(is_one_number("pid 4711"));
  EXPECT_FALSE(is_one_number("4711 host"));
}

}  // namespace
}  // namespace sqlbk::users
