#include "free_name.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "errors.hpp"
#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "scoped_sys.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk {
namespace {

using test::code_of;
using test::names_in;
using test::read_text;
using test::ScopedSys;
using test::write_text;

// What the entries of the table do; they have no state of their own.
struct Script {
  int no_replace = EINVAL;
  int link = EPERM;
  int rename = 0;
  std::string made_by_another;  // when the rename without replacing is tried
  std::string written_to;       // when the empty file is made
};
Script script;

class FreeNameTest : public testing::Test {
 protected:
  FreeNameTest() {
    script = {};
    write_text(from_, "the copy");
    sys_->renameat2 = [](int from_dir, const char* from, int to_dir, const char* to,
                         unsigned flags) {
      if (flags != 0 && !script.made_by_another.empty()) write_text(to, script.made_by_another);
      errno = flags != 0 ? script.no_replace : script.rename;
      return errno != 0 ? -1 : real_sys().renameat2(from_dir, from, to_dir, to, flags);
    };
    sys_->linkat = [](int from_dir, const char* from, int to_dir, const char* to, int flags) {
      errno = script.link;
      return errno != 0 ? -1 : real_sys().linkat(from_dir, from, to_dir, to, flags);
    };
    sys_->openat = [](int dir, const char* path, int flags, mode_t mode) {
      const int fd = real_sys().openat(dir, path, flags, mode);
      if (fd >= 0 && !script.written_to.empty()) write_text(path, script.written_to);
      return fd;
    };
  }

  NameTaken move() const {
    return move_to_free_name({AT_FDCWD, from_, from_}, {AT_FDCWD, to_, to_});
  }
  std::vector<std::string> names() const { return names_in(directory_.path()); }

  kit::TemporaryDirectory directory_;
  std::string from_ = directory_.file("staged");
  std::string to_ = directory_.file("copy.db");
  ScopedSys sys_;
};

TEST_F(FreeNameTest, ARenameThatReplacesNothing) {
  script.no_replace = 0;
  EXPECT_EQ(move(), NameTaken::exclusively);
  EXPECT_EQ(names(), std::vector<std::string>{"copy.db"});
}

TEST_F(FreeNameTest, ALinkWhereThereIsNoSuchRename) {
  script.link = 0;
  for (const int missing : {EINVAL, ENOSYS, EOPNOTSUPP}) {
    script.no_replace = missing;
    write_text(from_, "the copy");
    EXPECT_EQ(move(), NameTaken::exclusively);
    EXPECT_EQ(names(), std::vector<std::string>{"copy.db"});
    EXPECT_EQ(::unlink(to_.c_str()), 0);
  }
}

// FAT and exFAT by FUSE.
TEST_F(FreeNameTest, AnEmptyFileWhereThereIsNeither) {
  for (const int missing : {EPERM, EOPNOTSUPP, ENOSYS, EMLINK, EINVAL}) {
    script.link = missing;
    write_text(from_, "the copy");
    EXPECT_EQ(move(), NameTaken::by_empty_file);
    EXPECT_EQ(names(), std::vector<std::string>{"copy.db"});
    EXPECT_EQ(read_text(to_), "the copy");
    EXPECT_EQ(::unlink(to_.c_str()), 0);
  }
}

TEST_F(FreeNameTest, AFileThatIsThereStays) {
  write_text(to_, "another's");
  for (const int no_replace : {EEXIST, EINVAL}) {
    script.no_replace = no_replace;
    EXPECT_EQ(code_of([&] { static_cast<void>(move()); }), Errc::destination_exists);
    EXPECT_EQ(read_text(to_), "another's");
    EXPECT_EQ(read_text(from_), "the copy");
  }
}

TEST_F(FreeNameTest, AFileThatComesMeanwhileStays) {
  script.made_by_another = "another's";
  EXPECT_EQ(code_of([&] { static_cast<void>(move()); }), Errc::destination_exists);
  EXPECT_EQ(read_text(to_), "another's");
  EXPECT_EQ(read_text(from_), "the copy");
}

TEST_F(FreeNameTest, WhatIsWrittenToTheEmptyFileStays) {
  script.written_to = "another's";
  EXPECT_EQ(code_of([&] { static_cast<void>(move()); }), Errc::destination_exists);
  EXPECT_EQ(read_text(to_), "another's");
  EXPECT_EQ(read_text(from_), "the copy");
}

TEST_F(FreeNameTest, ADanglingLinkIsAFileThatIsThere) {
  ASSERT_EQ(::symlink("nowhere", to_.c_str()), 0);
  EXPECT_EQ(code_of([&] { static_cast<void>(move()); }), Errc::destination_exists);
  EXPECT_FALSE(test::is_there(directory_.file("nowhere")));
}

TEST_F(FreeNameTest, TheEmptyFileGoesWhereTheRenameFails) {
  script.rename = EIO;
  EXPECT_EQ(code_of([&] { static_cast<void>(move()); }), Errc::io_error);
  EXPECT_EQ(names(), std::vector<std::string>{"staged"});
}

TEST_F(FreeNameTest, WithoutAnyRenameTheDestinationIsUnusable) {
  script.rename = EINVAL;
  EXPECT_EQ(code_of([&] { static_cast<void>(move()); }), Errc::destination_unusable);
  EXPECT_EQ(names(), std::vector<std::string>{"staged"});
}

TEST_F(FreeNameTest, OtherErrorsAreNoLackOfACall) {
  script.no_replace = EIO;
  EXPECT_EQ(code_of([&] { static_cast<void>(move()); }), Errc::io_error);
  script.no_replace = EINVAL;
  script.link = ENOSPC;
  EXPECT_EQ(code_of([&] { static_cast<void>(move()); }), Errc::no_space);
  EXPECT_EQ(names(), std::vector<std::string>{"staged"});
}

}  // namespace
}  // namespace sqlbk
