#include "sqlbk/core/obstacles.hpp"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/mount.h>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "scoped_sys.hpp"

namespace sqlbk {
namespace {

class Obstacles : public ::testing::Test {
 protected:
  kit::TemporaryDirectory directory_;
  std::string file_ = directory_.file("file");
};

TEST_F(Obstacles, ThereAreNoneInAnOrdinaryDirectory) {
  test::write_text(file_, "x");
  EXPECT_EQ(obstacle_to_making_files(directory_.path()), 0);
  EXPECT_FALSE(obstacle_to_replacing(file_));
  EXPECT_FALSE(obstacle_to_replacing(directory_.file("none")));
}

TEST_F(Obstacles, NoDirectory) {
  test::write_text(file_, "x");
  EXPECT_EQ(obstacle_to_making_files(directory_.file("none")), ENOENT);
  EXPECT_EQ(obstacle_to_making_files(file_), ENOTDIR);
  EXPECT_EQ(obstacle_to_making_files(file_ + "/x"), ENOTDIR);
}

TEST_F(Obstacles, TheRightsAreThoseOfTheEffectiveUser) {
  static int flags;
  flags = 0;
  test::ScopedSys sys;
  sys->faccessat = [](int, const char*, int, int asked) {
    flags = asked;
    errno = EROFS;
    return -1;
  };
  EXPECT_EQ(obstacle_to_making_files(directory_.path()), EROFS);
  EXPECT_EQ(flags, AT_EACCESS);
}

TEST_F(Obstacles, NoInodeLeft) {
  const std::string disk = directory_.file("disk");
  std::filesystem::create_directory(disk);
  if (::mount("none", disk.c_str(), "tmpfs", 0, "nr_inodes=1") != 0) {
    GTEST_SKIP() << "mounting is not allowed here: errno " << errno;
  }
  EXPECT_EQ(obstacle_to_making_files(disk), ENOSPC);
  EXPECT_EQ(::umount(disk.c_str()), 0);
}

TEST_F(Obstacles, AMountPoint) {
  test::write_text(file_, "x");
  test::write_text(directory_.file("other"), "y");
  if (::mount(directory_.file("other").c_str(), file_.c_str(), "", MS_BIND, nullptr) != 0) {
    GTEST_SKIP() << "mounting is not allowed here: errno " << errno;
  }
  const std::optional<Obstacle> found = obstacle_to_replacing(file_);
  EXPECT_EQ(::umount(file_.c_str()), 0);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->os_errno, EBUSY);
}

}  // namespace
}  // namespace sqlbk
