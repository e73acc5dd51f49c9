// The rules of publishing: docs/consistency.md, one by one.
#include "sqlbk/core/staged_target.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <grp.h>
#include <map>
#include <optional>
#include <signal.h>
#include <string>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "database.hpp"
#include "errors.hpp"
#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "linux/open_elsewhere.hpp"
#include "process.hpp"
#include "remote_sqlite.hpp"
#include "scoped_sys.hpp"
#include "sqlbk/core/host_thread.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/live_files.hpp"
#include "staging_directory.hpp"

// A file system that takes no extended attributes is not to be had everywhere.
static bool refuses_attributes = false;
extern "C" int fsetxattr(int fd, const char* name, const void* value, std::size_t size,
                         int flags) noexcept {
  if (!refuses_attributes) {
    return static_cast<int>(::syscall(SYS_fsetxattr, fd, name, value, size, flags));
  }
  errno = EOPNOTSUPP;
  return -1;
}

namespace sqlbk {
namespace {

using test::code_of;
using test::error_of;
using test::is_there;
using test::names_in;
using test::read_text;
using test::ScopedSys;
using test::write_text;

constexpr std::array<const char*, 3> kSidecars{"-wal", "-shm", "-journal"};

// What the entries of a system call table remember.
struct Script {
  int countdown = 0;  // the call that brings it to 0 fails, or ends the process
  int fails_with = 0;
  std::string only;  // where not empty: only calls whose target ends so
  std::vector<std::string> names;
};
Script script;

bool is_its_turn() {
  return script.countdown > 0 && --script.countdown == 0;
}

bool is_directory(int fd) {
  struct stat file {};
  return ::fstat(fd, &file) == 0 && S_ISDIR(file.st_mode);
}

// A file as it is seen from outside, to say that nothing has changed.
using Snapshot = std::map<std::string, std::string>;
Snapshot snapshot_of(const std::string& directory) {
  Snapshot snapshot;
  for (const std::string& name : names_in(directory)) {
    const std::string path = directory + "/" + name;
    snapshot[name] = std::filesystem::is_regular_file(std::filesystem::symlink_status(path))
                         ? read_text(path)
                         : "(no file)";
  }
  return snapshot;
}

class StagedTargetTest : public testing::Test {
 protected:
  StagedTargetTest() {
    script = {};
    std::filesystem::create_directory(directory_.file("in"));
    std::filesystem::create_directory(out_);
    write_text(source_, "the source");
  }

  SourceFacts facts() const {
    LiveFiles files(source_);
    return probe_source(files);
  }
  // As far as sync(): the next thing is to publish.
  void stage(StagedTarget& target, const std::string& text, const std::string& wal = "") const {
    write_all(target.image().main_fd(), std::as_bytes(std::span(text)), 0, "main");
    if (!wal.empty()) write_all(target.image().wal_fd(), std::as_bytes(std::span(wal)), 0, "wal");
    const LiveFiles files(source_);
    target.sync(files);
  }
  void copy(const TargetOptions& options = {}, const std::string& wal = "") const {
    StagedTarget target(dest_, facts(), options);
    stage(target, "the copy", wal);
    target.publish();
  }
  // The code with which a destination is refused, before anything is made: by the check alone and
  // by the constructor.
  std::optional<Errc> refusal(const std::string& destination, const TargetOptions& options = {}) {
    const Snapshot before = snapshot_of(out_);
    const auto checked = code_of([&] { check_destination(destination, facts(), options); });
    const auto constructed =
        code_of([&] { const StagedTarget target(destination, facts(), options); });
    EXPECT_EQ(checked, constructed) << destination;
    EXPECT_EQ(snapshot_of(out_), before) << destination;
    return constructed;
  }
  static TargetOptions with_force() { return {.tempdir = "", .force = true, .preserve = false}; }

  kit::TemporaryDirectory directory_;
  std::string source_ = directory_.file("in/source.db");
  std::string out_ = directory_.file("out");
  std::string dest_ = out_ + "/copy.db";
};

// ---- The ordinary case.

TEST_F(StagedTargetTest, PublishesTheWholeFileAndLeavesNothingElse) {
  {
    StagedTarget target(dest_, facts(), {});
    EXPECT_EQ(target.destination(), dest_);
    stage(target, "the copy");
    EXPECT_FALSE(is_there(dest_)) << "not before publish()";
    target.publish();
    EXPECT_EQ(read_text(dest_), "the copy");
  }
  EXPECT_EQ(names_in(out_), std::vector<std::string>{"copy.db"});
  EXPECT_EQ(read_text(source_), "the source");
}

TEST_F(StagedTargetTest, TheStagingDirectoryIsPrivateAndLocked) {
  const StagedTarget target(dest_, facts(), {});
  const auto names = names_in(out_);
  ASSERT_EQ(names.size(), 1U);
  EXPECT_TRUE(names[0].starts_with(".sqlbk-") && names[0].ends_with(".staging")) << names[0];
  EXPECT_EQ(test::permissions_of(out_ + "/" + names[0]), 0700U);
  const UniqueFd fd = open_at(AT_FDCWD, out_ + "/" + names[0], O_RDONLY, 0, "");
  EXPECT_EQ(::flock(fd.get(), LOCK_EX | LOCK_NB), -1);
  EXPECT_EQ(errno, EWOULDBLOCK);
  const StagedTarget other(out_ + "/other.db", facts(), {});
  EXPECT_EQ(names_in(out_).size(), 2U) << "a name that nobody can guess";
}

TEST_F(StagedTargetTest, DiscardsWhatWasNotPublished) {
  { const StagedTarget target(dest_, facts(), {}); }
  EXPECT_TRUE(names_in(out_).empty());
  {
    StagedTarget target(dest_, facts(), {});
    stage(target, "the copy", "its wal");
  }
  EXPECT_TRUE(names_in(out_).empty());
}

TEST_F(StagedTargetTest, ADirectoryStandsForAFileOfTheSourcesName) {
  EXPECT_EQ(resolve_destination(source_, out_), out_ + "/source.db");
  EXPECT_EQ(resolve_destination("source.db", out_), out_ + "/source.db");
  EXPECT_EQ(resolve_destination(source_, dest_), dest_);
  write_text(dest_, "");
  EXPECT_EQ(resolve_destination(source_, dest_), dest_);
  std::filesystem::create_directory_symlink(out_, directory_.file("link"));
  EXPECT_EQ(resolve_destination(source_, directory_.file("link")),
            directory_.file("link") + "/source.db");
}

TEST_F(StagedTargetTest, ARelativeDestinationIsFromHere) {
  const std::string here = std::filesystem::current_path().string();
  const SourceFacts source = facts();
  std::filesystem::current_path(out_);
  {
    StagedTarget target("copy.db", source, {});
    stage(target, "the copy");
    target.publish();
  }
  std::filesystem::current_path(here);
  EXPECT_EQ(snapshot_of(out_), (Snapshot{{"copy.db", "the copy"}}));
}

TEST_F(StagedTargetTest, KeepingTheWalPublishesItFirst) {
  {
    ScopedSys sys;
    sys->renameat2 = [](int from_dir, const char* from, int to_dir, const char* to,
                        unsigned flags) {
      script.names.emplace_back(std::filesystem::path(to).filename().string());
      EXPECT_EQ(flags, unsigned{RENAME_NOREPLACE});
      return real_sys().renameat2(from_dir, from, to_dir, to, flags);
    };
    copy({}, "its wal");
  }
  EXPECT_EQ(script.names, (std::vector<std::string>{"copy.db-wal", "copy.db"}));
  EXPECT_EQ(snapshot_of(out_), (Snapshot{{"copy.db", "the copy"}, {"copy.db-wal", "its wal"}}));
}

// ---- What is refused.

TEST_F(StagedTargetTest, AnExistingDestinationIsRefused) {
  write_text(dest_, "precious");
  EXPECT_EQ(refusal(dest_), Errc::destination_exists);
}

TEST_F(StagedTargetTest, AStaleSidecarIsRefused) {
  for (const char* suffix : kSidecars) {
    write_text(dest_ + suffix, "stale");
    const auto error = error_of([&] { check_destination(dest_, facts(), {}); });
    ASSERT_TRUE(error);
    EXPECT_NE(std::string(error->what()).find(dest_ + suffix), std::string::npos) << error->what();
    EXPECT_EQ(refusal(dest_), Errc::destination_exists) << suffix;
    std::filesystem::remove(dest_ + suffix);
  }
  EXPECT_EQ(refusal(dest_), std::nullopt);
}

TEST_F(StagedTargetTest, ADanglingLinkTakesTheName) {
  for (const std::string suffix : {"", "-wal", "-shm", "-journal"}) {
    std::filesystem::create_symlink("nowhere", dest_ + suffix);
    EXPECT_EQ(refusal(dest_), Errc::destination_exists) << suffix;
    std::filesystem::remove(dest_ + suffix);
  }
}

TEST_F(StagedTargetTest, TheSourceItselfIsRefusedUnderAnyName) {
  std::filesystem::create_hard_link(source_, out_ + "/hard.db");
  std::filesystem::create_symlink(source_, out_ + "/link.db");
  std::filesystem::create_directory_symlink(directory_.file("in"), directory_.file("in-link"));
  for (const std::string& name :
       {source_, out_ + "/hard.db", out_ + "/link.db", directory_.file("in-link/source.db"),
        directory_.file("out/../in/./source.db")}) {
    EXPECT_EQ(refusal(name), Errc::destination_exists) << name;
    EXPECT_EQ(refusal(name, with_force()), Errc::destination_exists) << name;
  }
  EXPECT_EQ(read_text(source_), "the source");
}

TEST_F(StagedTargetTest, ASidecarsNameOfTheSourceIsRefused) {
  std::filesystem::create_directory_symlink(directory_.file("in"), directory_.file("in-link"));
  for (const char* suffix : kSidecars) {
    for (const bool is_present : {false, true}) {
      if (is_present) write_text(source_ + suffix, "sidecar");
      for (const std::string& name :
           {source_ + suffix, directory_.file("in-link/source.db") + suffix}) {
        EXPECT_EQ(refusal(name), Errc::destination_exists) << name;
        EXPECT_EQ(refusal(name, with_force()), Errc::destination_exists) << name;
      }
    }
    // The file itself, under another name.
    std::filesystem::create_hard_link(source_ + suffix, dest_);
    EXPECT_EQ(refusal(dest_, with_force()), Errc::destination_exists) << suffix;
    std::filesystem::remove(dest_);
    std::filesystem::remove(source_ + suffix);
  }
}

TEST_F(StagedTargetTest, ASidecarsNameOfTheSourceIsRefusedThroughABindMount) {
  const std::string other = directory_.file("other");
  std::filesystem::create_directory(other);
  if (::mount(directory_.file("in").c_str(), other.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    GTEST_SKIP() << "mounting is not allowed here: errno " << errno;
  }
  for (const char* suffix : kSidecars) {
    EXPECT_EQ(refusal(other + "/source.db" + suffix), Errc::destination_exists) << suffix;
  }
  EXPECT_EQ(refusal(other + "/source.db2"), std::nullopt);
  EXPECT_EQ(::umount(other.c_str()), 0);
}

// With force the destination's sidecars go: here one of them would be the source.
TEST_F(StagedTargetTest, ADestinationWhoseSidecarIsTheSourceIsRefused) {
  for (const char* suffix : kSidecars) {
    source_ = dest_ + suffix;
    write_text(source_, "the source");
    EXPECT_EQ(refusal(dest_), Errc::destination_exists) << suffix;
    EXPECT_EQ(refusal(dest_, with_force()), Errc::destination_exists) << suffix;
    write_text(dest_, "old");
    EXPECT_EQ(refusal(dest_, with_force()), Errc::destination_exists) << suffix;
    EXPECT_EQ(read_text(source_), "the source");
    std::filesystem::remove(dest_);
    std::filesystem::remove(source_);
  }
}

TEST_F(StagedTargetTest, ADirectoryThatCannotTakeTheCopyIsUnusable) {
  EXPECT_EQ(refusal(directory_.file("missing/copy.db")), Errc::destination_unusable);
  EXPECT_EQ(refusal(source_ + "/copy.db"), Errc::destination_unusable) << "below a file";
}

TEST_F(StagedTargetTest, ADirectoryThatMayNotBeWrittenIsUnusable) {
  const SourceFacts source = facts();
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(out_, std::filesystem::perms(0555));
  EXPECT_EQ(test::in_child([&] {
              test::drop_privileges();
              const auto error = error_of([&] { const StagedTarget target(dest_, source, {}); });
              return error && error->code() == Errc::destination_unusable &&
                             error->os_errno() == EACCES && error->path() == out_
                         ? 0
                         : 1;
            }),
            0);
  EXPECT_EQ(code_of([&] {
              ScopedSys sys;
              sys->mkdirat = [](int, const char*, mode_t) {
                errno = ENOSPC;
                return -1;
              };
              const StagedTarget target(dest_, source, {});
            }),
            Errc::no_space);
}

TEST_F(StagedTargetTest, WhereDirectoriesCannotBeLockedNothingIsLeft) {
  const SourceFacts source = facts();
  ScopedSys sys;
  sys->flock = [](int, int) {
    errno = ENOLCK;
    return -1;
  };
  const auto error = error_of([&] { const StagedTarget target(dest_, source, {}); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Errc::destination_unusable);
  EXPECT_EQ(error->os_errno(), ENOLCK);
  EXPECT_TRUE(names_in(out_).empty());
}

TEST_F(StagedTargetTest, AnInterruptedLockIsRepeated) {
  const SourceFacts source = facts();
  ScopedSys sys;
  script.countdown = 1;
  sys->flock = [](int fd, int operation) {
    if (is_its_turn()) {
      errno = EINTR;
      return -1;
    }
    return real_sys().flock(fd, operation);
  };
  const StagedTarget target(dest_, source, {});
  EXPECT_EQ(names_in(out_).size(), 1U);
}

// Another run may take the new directory for a dead one's before it is locked.
TEST_F(StagedTargetTest, AStagingDirectoryThatIsCleanedAwayAtOnceIsMadeAnew) {
  const SourceFacts source = facts();
  ScopedSys sys;
  script.countdown = 1;
  sys->openat = [](int dir, const char* path, int flags, mode_t mode) {
    if (std::string_view(path).ends_with(".staging") && is_its_turn()) {
      EXPECT_EQ(::rmdir(path), 0);
    }
    return real_sys().openat(dir, path, flags, mode);
  };
  const StagedTarget target(dest_, source, {});
  EXPECT_EQ(names_in(out_).size(), 1U);
}

// ---- Publishing under a free name.

TEST_F(StagedTargetTest, WhatAppearsMeanwhileIsNotReplaced) {
  for (const std::string suffix : {"", "-wal", "-shm", "-journal"}) {
    {
      StagedTarget target(dest_, facts(), {});
      stage(target, "the copy");
      write_text(dest_ + suffix, "another's");
      EXPECT_EQ(code_of([&] { target.publish(); }), Errc::destination_exists) << suffix;
    }
    EXPECT_EQ(snapshot_of(out_), (Snapshot{{"copy.db" + suffix, "another's"}}));
    std::filesystem::remove(dest_ + suffix);
  }
}

// Even between the last look and the rename.
TEST_F(StagedTargetTest, TheRenameItselfReplacesNothing) {
  for (const bool can_rename : {true, false}) {
    for (const std::string wal : {"", "its wal"}) {
      {
        StagedTarget target(dest_, facts(), {});
        stage(target, "the copy", wal);
        ScopedSys sys;
        script.fails_with = can_rename ? 0 : EINVAL;
        sys->renameat2 = [](int from_dir, const char* from, int to_dir, const char* to,
                            unsigned flags) {
          if (std::string_view(to).ends_with("copy.db")) write_text(to, "another's");
          errno = script.fails_with;
          return script.fails_with != 0 ? -1
                                        : real_sys().renameat2(from_dir, from, to_dir, to, flags);
        };
        EXPECT_EQ(code_of([&] { target.publish(); }), Errc::destination_exists);
      }
      EXPECT_EQ(snapshot_of(out_), (Snapshot{{"copy.db", "another's"}}));
      std::filesystem::remove(dest_);
    }
  }
}

TEST_F(StagedTargetTest, OfTwoRunsTheLaterIsRefused) {
  StagedTarget first(dest_, facts(), {});
  StagedTarget second(dest_, facts(), {});
  stage(first, "the first");
  stage(second, "the second");
  second.publish();
  EXPECT_EQ(code_of([&] { first.publish(); }), Errc::destination_exists);
  EXPECT_EQ(read_text(dest_), "the second");
}

TEST_F(StagedTargetTest, WithoutSuchARenameALinkDoes) {
  for (const int code : {EINVAL, ENOSYS}) {
    for (const std::string wal : {"", "its wal"}) {
      {
        ScopedSys sys;
        script.fails_with = code;
        sys->renameat2 = [](int, const char*, int, const char*, unsigned) {
          errno = script.fails_with;
          return -1;
        };
        copy({}, wal);
      }
      Snapshot expected{{"copy.db", "the copy"}};
      if (!wal.empty()) expected["copy.db-wal"] = wal;
      EXPECT_EQ(snapshot_of(out_), expected);
      struct stat file {};
      ASSERT_EQ(::stat(dest_.c_str(), &file), 0);
      EXPECT_EQ(file.st_nlink, 1U);
      std::filesystem::remove(dest_);
      std::filesystem::remove(dest_ + "-wal");
    }
  }
}

TEST_F(StagedTargetTest, WithoutAnyRenameTheDestinationIsUnusable) {
  for (const std::string wal : {"", "its wal"}) {
    ScopedSys sys;
    sys->renameat2 = [](int, const char*, int, const char*, unsigned) {
      errno = EINVAL;
      return -1;
    };
    sys->linkat = [](int, const char*, int, const char*, int) {
      errno = EPERM;
      return -1;
    };
    const auto error = error_of([&] { copy({}, wal); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), Errc::destination_unusable);
    EXPECT_EQ(error->os_errno(), EINVAL);
    EXPECT_TRUE(names_in(out_).empty());
  }
}

TEST_F(StagedTargetTest, ALinkWhoseFirstNameStaysIsTakenBack) {
  {
    StagedTarget target(dest_, facts(), {});
    stage(target, "the copy");
    ScopedSys sys;
    sys->renameat2 = [](int, const char*, int, const char*, unsigned) {
      errno = ENOSYS;
      return -1;
    };
    sys->unlinkat = [](int dir, const char* name, int flags) {
      if (std::string_view(name).find(".staging/") == std::string_view::npos) {
        return real_sys().unlinkat(dir, name, flags);
      }
      errno = EIO;
      return -1;
    };
    EXPECT_EQ(code_of([&] { target.publish(); }), Errc::io_error);
  }
  EXPECT_TRUE(names_in(out_).empty()) << "whatever the failure: no destination";
}

TEST_F(StagedTargetTest, ARenameThatFailsLeavesNothing) {
  for (const std::string wal : {"", "its wal"}) {
    for (const std::string failing : {"copy.db", "copy.db-wal"}) {
      if (wal.empty() && failing == "copy.db-wal") continue;
      ScopedSys sys;
      script.only = "out/" + failing;
      sys->renameat2 = [](int from_dir, const char* from, int to_dir, const char* to,
                          unsigned flags) {
        if (!std::string_view(to).ends_with(script.only)) {
          return real_sys().renameat2(from_dir, from, to_dir, to, flags);
        }
        errno = EIO;
        return -1;
      };
      EXPECT_EQ(code_of([&] { copy({}, wal); }), Errc::io_error);
      EXPECT_TRUE(names_in(out_).empty()) << failing;
    }
  }
}

// ---- Syncing.

TEST_F(StagedTargetTest, FileAndDirectoryAreSynced) {
  ScopedSys sys;
  sys->fsync = [](int fd) {
    script.names.emplace_back(is_directory(fd) ? "directory" : "file");
    return real_sys().fsync(fd);
  };
  copy();
  EXPECT_EQ(script.names, (std::vector<std::string>{"file", "directory"}));
}

TEST_F(StagedTargetTest, AFailedSyncOfTheFileLeavesNoDestination) {
  for (const std::string wal : {"", "its wal"}) {
    ScopedSys sys;
    sys->fsync = [](int fd) {
      if (is_directory(fd)) return real_sys().fsync(fd);
      errno = EIO;
      return -1;
    };
    EXPECT_EQ(code_of([&] { copy({}, wal); }), Errc::io_error);
    EXPECT_TRUE(names_in(out_).empty());
  }
}

TEST_F(StagedTargetTest, AFailedSyncOfTheDirectoryLeavesNoDestination) {
  for (const std::string wal : {"", "its wal"}) {
    ScopedSys sys;
    sys->fsync = [](int fd) {
      if (!is_directory(fd)) return real_sys().fsync(fd);
      errno = EIO;
      return -1;
    };
    EXPECT_EQ(code_of([&] { copy({}, wal); }), Errc::io_error);
    EXPECT_TRUE(names_in(out_).empty());
  }
}

// Who writes to the source waits for his own syncs; where nobody does, pieces only take time.
TEST_F(StagedTargetTest, InPiecesOnlyWhereSomebodyWritesToTheSource) {
  write_text(source_ + "-wal", "of somebody");
  for (const std::string written : {"", "-wal", "-journal", "main"}) {
    script = {};
    std::filesystem::remove(dest_);
    ScopedSys sys;
    sys->sync_file_range = [](int fd, off_t offset, off_t size, unsigned flags) {
      script.names.emplace_back("piece");
      return real_sys().sync_file_range(fd, offset, size, flags);
    };
    sys->fsync = [](int fd) {
      if (!is_directory(fd)) script.names.emplace_back("file");
      return real_sys().fsync(fd);
    };
    StagedTarget target(dest_, facts(), {});
    if (!written.empty()) {
      write_text(source_ + (written == "main" ? "" : written), "longer than it was before");
    }
    stage(target, "the copy");
    target.publish();
    const auto expected = written.empty() ? std::vector<std::string>{"file"}
                                          : std::vector<std::string>{"piece", "file"};
    EXPECT_EQ(script.names, expected) << written;
    EXPECT_EQ(read_text(dest_), "the copy");
    if (written == "-journal") std::filesystem::remove(source_ + written);
  }
}

// ---- What dead runs left.

class DeadRuns : public StagedTargetTest {
 protected:
  std::string make_staging(const std::string& name) const {
    std::string path = out_ + "/" + name;
    std::filesystem::create_directories(path + "/deeper");
    write_text(path + "/copy.db", "half a copy");
    write_text(path + "/deeper/file", "x");
    return path;
  }
  void a_run_comes_by() const { const StagedTarget target(out_ + "/other.db", facts(), {}); }

  std::string name_ = ".sqlbk-0123456789abcdef0123456789abcdef.staging";
};

TEST_F(DeadRuns, AreCleanedUp) {
  make_staging(name_);
  make_staging(".sqlbk-ffffffffffffffffffffffffffffffff.staging");
  a_run_comes_by();
  EXPECT_TRUE(names_in(out_).empty());
}

TEST_F(DeadRuns, AreCleanedUpInTheTempdirToo) {
  make_staging(name_);
  {
    const StagedTarget target(directory_.file("in/other.db"), facts(),
                              {.tempdir = out_, .force = false, .preserve = false});
    EXPECT_EQ(names_in(out_).size(), 1U);
  }
  EXPECT_TRUE(names_in(out_).empty());
}

TEST_F(DeadRuns, LivingOnesAreLeftAlone) {
  const std::string path = make_staging(name_);
  const UniqueFd living = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, path);
  ASSERT_EQ(::flock(living.get(), LOCK_EX | LOCK_NB), 0);
  a_run_comes_by();
  EXPECT_EQ(read_text(path + "/copy.db"), "half a copy");
}

TEST_F(DeadRuns, OtherNamesAreLeftAlone) {
  const std::vector<std::string> others{".sqlbk-0123456789abcdef0123456789abcde.staging",
                                        ".sqlbk-0123456789abcdef0123456789abcdef0.staging",
                                        ".sqlbk-0123456789abcdef0123456789abcdef.stagingx",
                                        ".sqlbk-0123456789abcdef0123456789abcdef",
                                        "sqlbk-00123456789abcdef0123456789abcdef.staging",
                                        ".other-0123456789abcdef0123456789abcdef.staging",
                                        "documents"};
  for (const std::string& name : others) make_staging(name);
  const Snapshot before = snapshot_of(out_);
  a_run_comes_by();
  EXPECT_EQ(snapshot_of(out_), before);
  for (const std::string& name : others) EXPECT_TRUE(is_there(out_ + "/" + name + "/deeper/file"));
}

TEST_F(DeadRuns, WhatOnlyHasSuchANameIsLeftAlone) {
  write_text(out_ + "/" + name_, "a file");
  a_run_comes_by();
  EXPECT_EQ(read_text(out_ + "/" + name_), "a file");
  std::filesystem::remove(out_ + "/" + name_);
  std::filesystem::create_directory_symlink(directory_.file("in"), out_ + "/" + name_);
  a_run_comes_by();
  EXPECT_TRUE(is_there(out_ + "/" + name_));
  EXPECT_EQ(read_text(source_), "the source") << "a link is not followed";
}

TEST_F(DeadRuns, AnotherUsersAreLeftAlone) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make another user's directory";
  const std::string path = make_staging(name_);
  ASSERT_EQ(::chown(path.c_str(), 65534, 65534), 0);
  a_run_comes_by();
  EXPECT_EQ(read_text(path + "/copy.db"), "half a copy");
}

// ---- Force.

class Force : public StagedTargetTest {
 protected:
  void make_old() const {
    write_text(dest_, "old main");
    for (const char* suffix : kSidecars) write_text(dest_ + suffix, std::string("old") + suffix);
  }
  static Snapshot old_state() {
    return {{"copy.db", "old main"},
            {"copy.db-wal", "old-wal"},
            {"copy.db-shm", "old-shm"},
            {"copy.db-journal", "old-journal"}};
  }
  static Snapshot new_state(const std::string& wal) {
    Snapshot state{{"copy.db", "the copy"}};
    if (!wal.empty()) state["copy.db-wal"] = wal;
    return state;
  }
  void empty_out() const {
    std::filesystem::remove_all(out_);
    std::filesystem::create_directory(out_);
  }
  void a_run_comes_by() const { const StagedTarget target(out_ + "/other.db", facts(), {}); }
};

// Every rename and every sync of it, failing.
int failing_renameat2(int from_dir, const char* from, int to_dir, const char* to, unsigned flags) {
  if (!is_its_turn()) return real_sys().renameat2(from_dir, from, to_dir, to, flags);
  errno = EIO;
  return -1;
}
int failing_fsync(int fd) {
  if (!is_its_turn()) return real_sys().fsync(fd);
  errno = EIO;
  return -1;
}
int dying_renameat2(int from_dir, const char* from, int to_dir, const char* to, unsigned flags) {
  if (is_its_turn()) ::_exit(77);
  return real_sys().renameat2(from_dir, from, to_dir, to, flags);
}
int dying_fsync(int fd) {
  if (is_its_turn()) ::_exit(77);
  return real_sys().fsync(fd);
}
int dying_unlinkat(int dir, const char* name, int flags) {
  if (is_its_turn()) ::_exit(77);
  return real_sys().unlinkat(dir, name, flags);
}

TEST_F(Force, ReplacesTheDestinationAndItsSidecars) {
  for (const std::string wal : {"", "its wal"}) {
    make_old();
    copy(with_force(), wal);
    EXPECT_EQ(snapshot_of(out_), new_state(wal));
    empty_out();
  }
}

TEST_F(Force, RemovesStaleSidecarsOfNoDatabase) {
  for (const std::string wal : {"", "its wal"}) {
    make_old();
    std::filesystem::remove(dest_);
    copy(with_force(), wal);
    EXPECT_EQ(snapshot_of(out_), new_state(wal));
    empty_out();
  }
}

// They may be all that is left of somebody's database.
TEST_F(Force, AFailurePutsStaleSidecarsOfNoDatabaseBack) {
  Snapshot before = old_state();
  before.erase("copy.db");
  for (const std::string wal : {"", "its wal"}) {
    for (const bool fails_in_rename : {true, false}) {
      int failures = 0;
      for (int n = 1;; ++n) {
        make_old();
        std::filesystem::remove(dest_);
        script.countdown = n;
        std::optional<Errc> code;
        {
          ScopedSys sys;
          if (fails_in_rename) {
            sys->renameat2 = failing_renameat2;
          } else {
            sys->fsync = failing_fsync;
          }
          code = code_of([&] { copy(with_force(), wal); });
        }
        const Snapshot after = snapshot_of(out_);
        empty_out();
        if (!code) {
          EXPECT_EQ(after, new_state(wal));
          break;
        }
        ++failures;
        EXPECT_EQ(after, before) << "call " << n;
      }
      EXPECT_GE(failures, 4);
    }
  }
}

TEST_F(Force, StaleSidecarsAreNotPutBackBesideADatabaseThatWasMadeMeanwhile) {
  write_text(dest_ + "-wal", "old-wal");
  {
    StagedTarget target(dest_, facts(), with_force());
    stage(target, "the copy");
    ScopedSys sys;
    sys->renameat2 = [](int from_dir, const char* from, int to_dir, const char* to,
                        unsigned flags) {
      if (std::string_view(to).ends_with("out/copy.db")) write_text(to, "another's");
      return real_sys().renameat2(from_dir, from, to_dir, to, flags);
    };
    EXPECT_EQ(code_of([&] { target.publish(); }), Errc::destination_exists);
  }
  EXPECT_EQ(read_text(dest_), "another's");
  EXPECT_FALSE(is_there(dest_ + "-wal")) << "it is not of that database";
  const auto names = names_in(out_);
  ASSERT_EQ(names.size(), 2U);
  EXPECT_EQ(read_text(out_ + "/" + names[0] + "/old-wal"), "old-wal") << "and is not lost";
}

TEST_F(Force, ASidecarThatWasMadeMeanwhileIsNotOverwrittenByTheOldOne) {
  make_old();
  {
    ScopedSys sys;
    sys->renameat2 = [](int from_dir, const char* from, int to_dir, const char* to,
                        unsigned flags) {
      if (!std::string_view(to).ends_with("out/copy.db")) {
        return real_sys().renameat2(from_dir, from, to_dir, to, flags);
      }
      write_text(std::string(to) + "-wal", "a newer one");
      errno = EIO;
      return -1;
    };
    EXPECT_EQ(code_of([&] { copy(with_force()); }), Errc::io_error);
  }
  EXPECT_EQ(read_text(dest_), "old main");
  EXPECT_EQ(read_text(dest_ + "-wal"), "a newer one");
  EXPECT_EQ(read_text(out_ + "/" + names_in(out_)[0] + "/old-wal"), "old-wal");
}

TEST_F(Force, IsNotNeededForAFreeName) {
  copy(with_force());
  EXPECT_EQ(snapshot_of(out_), new_state(""));
}

TEST_F(Force, OnlyRegularFilesAreReplaced) {
  std::filesystem::create_symlink(source_, dest_);
  EXPECT_EQ(refusal(dest_, with_force()), Errc::destination_exists) << "a link to the source";
  std::filesystem::remove(dest_);
  std::filesystem::create_symlink("nowhere", dest_);
  EXPECT_EQ(refusal(dest_, with_force()), Errc::destination_exists);
  std::filesystem::remove(dest_);
  ASSERT_EQ(::mkfifo(dest_.c_str(), 0600), 0);
  EXPECT_EQ(refusal(dest_, with_force()), Errc::destination_exists);
  std::filesystem::remove(dest_);
  std::filesystem::create_directory(dest_);
  EXPECT_EQ(refusal(dest_, with_force()), Errc::destination_exists);
}

TEST_F(Force, ADirectoryOfASidecarsNameIsNotRemoved) {
  for (const bool has_main : {true, false}) {
    for (const char* suffix : kSidecars) {
      if (has_main) write_text(dest_, "old main");
      std::filesystem::create_directory(dest_ + suffix);
      write_text(dest_ + suffix + "/precious", "x");
      EXPECT_EQ(refusal(dest_, with_force()), Errc::destination_exists) << suffix;
      EXPECT_EQ(read_text(dest_ + suffix + "/precious"), "x");
      empty_out();
    }
  }
}

TEST_F(Force, ADatabaseOfASidecarsNameIsNotRemoved) {
  for (const char* suffix : kSidecars) {
    { test::Database(dest_ + suffix).run("CREATE TABLE t(a)"); }
    EXPECT_EQ(refusal(dest_, with_force()), Errc::destination_exists) << suffix;
    EXPECT_TRUE(is_there(dest_ + suffix));
    empty_out();
  }
}

// The other files of the source, too, may have the name of a sidecar of the destination.
TEST_F(Force, ASidecarThatIsAFileOfTheSourceIsNotRemoved) {
  for (const char* suffix : kSidecars) {
    write_text(source_ + suffix, "sidecar");
    std::filesystem::create_hard_link(source_ + suffix, dest_ + suffix);
    EXPECT_EQ(refusal(dest_, with_force()), Errc::destination_exists) << suffix;
    std::filesystem::remove(source_ + suffix);
    empty_out();
  }
}

TEST_F(Force, ADatabaseThatIsOpenIsNotReplaced) {
  {
    test::RemoteSqlite owner(dest_);
    owner.run("PRAGMA journal_mode=WAL; CREATE TABLE t(a)");
    EXPECT_EQ(refusal(dest_, with_force()), Errc::destination_in_use);
    owner.stop();
  }
  EXPECT_EQ(refusal(dest_, with_force()), std::nullopt);
  {
    const UniqueFd reader = open_at(AT_FDCWD, dest_, O_RDONLY, 0, dest_);
    EXPECT_EQ(refusal(dest_, with_force()), Errc::destination_in_use) << "no lock, but open";
  }
  EXPECT_EQ(refusal(dest_, with_force()), std::nullopt);
}

TEST_F(Force, ADatabaseThatWasOpenedMeanwhileIsNotReplaced) {
  write_text(dest_, "old main");
  write_text(dest_ + "-wal", "old-wal");
  StagedTarget target(dest_, facts(), with_force());
  stage(target, "the copy");
  const UniqueFd reader = open_at(AT_FDCWD, dest_, O_RDONLY, 0, dest_);
  EXPECT_EQ(code_of([&] { target.publish(); }), Errc::destination_in_use);
  EXPECT_EQ(read_text(dest_), "old main");
  EXPECT_EQ(read_text(dest_ + "-wal"), "old-wal");
}

// Leases are for a file's owner, and others' descriptors are for root to see.
TEST_F(Force, AnotherUsersFileIsNotReplacedWhereItsUsersCannotBeSeen) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  make_old();
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(out_, std::filesystem::perms(0777));
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    std::filesystem::permissions(dest_ + suffix, std::filesystem::perms(0644));
  }
  std::filesystem::permissions(source_, std::filesystem::perms(0644));
  const auto code_as_nobody = [&](UniqueFd* not_its_own = nullptr) {
    return test::in_child([&] {
      if (not_its_own != nullptr) not_its_own->reset();
      test::drop_privileges();
      std::optional<Errc> code;
      run_isolated([&](HostThread*) { code = code_of([&] { copy(with_force()); }); });
      return code ? errc_info(*code).exit_code : 0;
    });
  };
  {
    // No lock on it: only the descriptor of another user's process tells.
    UniqueFd reader = open_at(AT_FDCWD, dest_, O_RDONLY, 0, dest_);
    EXPECT_EQ(code_as_nobody(&reader), errc_info(Errc::destination_in_use).exit_code);
  }
  EXPECT_EQ(snapshot_of(out_), old_state());
  ASSERT_EQ(::chown(dest_.c_str(), 65534, 65534), 0);
  EXPECT_EQ(code_as_nobody(), 0) << "everybody may replace his own";
  EXPECT_EQ(snapshot_of(out_), new_state(""));
}

// Closing any descriptor of a file drops this process's locks on it, and tests run with the one
// descriptor table of the process, as a run does where it cannot have another.
TEST_F(Force, LookingAtADatabaseOfThisProgramDropsNoneOfItsLocks) {
  test::Database host(dest_);
  host.run("PRAGMA journal_mode=WAL; CREATE TABLE t(a); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)");
  const std::vector<std::string> locks = test::own_posix_locks();
  ASSERT_GE(locks.size(), 2U);
  EXPECT_EQ(code_of([&] { check_destination(dest_, facts(), with_force()); }),
            Errc::destination_in_use);
  EXPECT_EQ(test::own_posix_locks(), locks);
  host.run("COMMIT");
}

// Somebody opens the file in the very moment of the look: that must not end this process.
TEST_F(Force, LookingWhoHasItOpenSurvivesBeingLookedAt) {
  write_text(dest_, "old main");
  const pid_t opener = ::fork();
  if (opener == 0) {
    while (::getppid() != 1) {
      const int fd = ::open(dest_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
      if (fd >= 0) static_cast<void>(::close(fd));
    }
    ::_exit(0);
  }
  const int code = test::in_child([&] {
    const UniqueFd fd = open_at(AT_FDCWD, dest_, O_RDONLY, 0, dest_);
    for (int i = 0; i < 20'000; ++i) {
      static_cast<void>(platform::open_elsewhere(fd.get(), dest_));
    }
    return 0;
  });
  ASSERT_EQ(::kill(opener, SIGKILL), 0);
  ASSERT_EQ(::waitpid(opener, nullptr, 0), opener);
  EXPECT_EQ(code, 0) << "128 + " << SIGIO << " is SIGIO";
}

TEST_F(Force, AFailureBeforeTheReplacementPutsEverythingBack) {
  for (const std::string wal : {"", "its wal"}) {
    for (const bool fails_in_rename : {true, false}) {
      int failures = 0;
      for (int n = 1;; ++n) {
        make_old();
        script.countdown = n;
        std::optional<Errc> code;
        {
          ScopedSys sys;
          if (fails_in_rename) {
            sys->renameat2 = failing_renameat2;
          } else {
            sys->fsync = failing_fsync;
          }
          code = code_of([&] { copy(with_force(), wal); });
        }
        a_run_comes_by();
        const Snapshot after = snapshot_of(out_);
        if (!code) {
          EXPECT_EQ(after, new_state(wal));
          break;
        }
        ++failures;
        EXPECT_EQ(code, Errc::io_error);
        // The last sync comes after the replacement: it is told, but nothing is taken back.
        EXPECT_TRUE(after == old_state() || (!fails_in_rename && after == new_state(wal)))
            << "call " << n << ": " << testing::PrintToString(after);
        empty_out();
      }
      EXPECT_GE(failures, 4);
      empty_out();
    }
  }
}

// What is not synced may be undone by a power failure: then the old sidecars are needed.
TEST_F(Force, TheOldSidecarsAreKeptUntilTheReplacementIsDurable) {
  make_old();
  std::filesystem::create_hard_link(dest_, directory_.file("old main"));
  {
    ScopedSys sys;
    script.countdown = 6;  // main, the note, its directory twice, the one around it, and this
    sys->fsync = failing_fsync;
    const auto error = error_of([&] { copy(with_force()); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), Errc::io_error);
    EXPECT_NE(std::string(error->what()).find(dest_), std::string::npos) << error->what();
    EXPECT_NE(std::string(error->what()).find("stands"), std::string::npos) << error->what();
    EXPECT_EQ(read_text(dest_), "the copy");
    script.countdown = 1;
    a_run_comes_by();
    EXPECT_EQ(names_in(out_).size(), 2U) << "it could not be synced again";
  }
  const auto names = names_in(out_);
  ASSERT_EQ(names.size(), 2U);
  EXPECT_EQ(read_text(out_ + "/" + names[0] + "/old-wal"), "old-wal");
  a_run_comes_by();
  EXPECT_EQ(snapshot_of(out_), new_state("")) << "durable now";
}

// The only copy of somebody's sidecars is not thrown away because it cannot be put back now.
TEST_F(Force, SidecarsThatCannotBePutBackAreKeptForALaterRun) {
  make_old();
  {
    ScopedSys sys;
    script.only = "-wal";
    sys->renameat2 = [](int from_dir, const char* from, int to_dir, const char* to,
                        unsigned flags) {
      const std::string_view target(to);
      if (target.ends_with("out/copy.db") || target.ends_with("out/copy.db-wal")) {
        errno = EIO;
        return -1;
      }
      return real_sys().renameat2(from_dir, from, to_dir, to, flags);
    };
    EXPECT_EQ(code_of([&] { copy(with_force()); }), Errc::io_error);
    EXPECT_FALSE(is_there(dest_ + "-wal"));
    EXPECT_EQ(read_text(dest_ + "-shm"), "old-shm");
    a_run_comes_by();
    EXPECT_FALSE(is_there(dest_ + "-wal")) << "still impossible, and still kept";
  }
  a_run_comes_by();
  EXPECT_EQ(snapshot_of(out_), old_state());
}

// A crash anywhere: the next run finds either the old database with its sidecars or the new one.
TEST_F(Force, ACrashAnywhereLeavesTheOldOrTheNewDatabase) {
  const SourceFacts source = facts();
  Snapshot sidecars = old_state();
  sidecars.erase("copy.db");
  for (const Snapshot& before : {old_state(), sidecars, Snapshot{}}) {
    for (const std::string wal : {"", "its wal"}) {
      for (const auto& install : std::vector<std::function<void(ScopedSys&)>>{
               [](ScopedSys& sys) { sys->renameat2 = dying_renameat2; },
               [](ScopedSys& sys) { sys->fsync = dying_fsync; },
               [](ScopedSys& sys) { sys->unlinkat = dying_unlinkat; }}) {
        for (int n = 1;; ++n) {
          for (const auto& [name, text] : before) write_text(out_ + "/" + name, text);
          const int code = test::in_child([&] {
            ScopedSys sys;
            install(sys);
            script.countdown = n;
            StagedTarget target(dest_, source, with_force());
            stage(target, "the copy", wal);
            target.publish();
            return 0;
          });
          a_run_comes_by();
          const Snapshot after = snapshot_of(out_);
          EXPECT_TRUE(after == new_state(wal) || (code != 0 && after == before))
              << "call " << n << ": " << testing::PrintToString(after);
          empty_out();
          if (code == 0) break;
          ASSERT_EQ(code, 77);
        }
      }
    }
  }
}

// The same where the system has no rename that replaces nothing.
TEST_F(Force, SidecarsArePutBackByLinksWhereNothingElseWorks) {
  make_old();
  const SourceFacts source = facts();
  ASSERT_EQ(test::in_child([&] {
              ScopedSys sys;
              sys->renameat2 = dying_renameat2;
              script.countdown = 4;  // three sidecars are away
              StagedTarget target(dest_, source, with_force());
              stage(target, "the copy");
              target.publish();
              return 0;
            }),
            77);
  EXPECT_FALSE(is_there(dest_ + "-wal"));
  ScopedSys sys;
  sys->renameat2 = [](int, const char*, int, const char*, unsigned) {
    errno = EINVAL;
    return -1;
  };
  a_run_comes_by();
  EXPECT_EQ(snapshot_of(out_), old_state());
}

TEST_F(Force, SidecarsOfADeadRunThatStagedElsewhereArePutBack) {
  make_old();
  const SourceFacts source = facts();
  const TargetOptions options{.tempdir = directory_.file("in"), .force = true, .preserve = false};
  ASSERT_EQ(test::in_child([&] {
              ScopedSys sys;
              sys->renameat2 = dying_renameat2;
              script.countdown = 4;
              StagedTarget target(dest_, source, options);
              stage(target, "the copy");
              target.publish();
              return 0;
            }),
            77);
  a_run_comes_by();
  EXPECT_EQ(snapshot_of(out_), old_state());
}

// Somebody has opened the database meanwhile and has a new WAL: the old one must not come back.
TEST_F(Force, ANewSidecarIsNotOverwrittenByAnOldOne) {
  make_old();
  const SourceFacts source = facts();
  ASSERT_EQ(test::in_child([&] {
              ScopedSys sys;
              sys->renameat2 = dying_renameat2;
              script.countdown = 4;
              StagedTarget target(dest_, source, with_force());
              stage(target, "the copy");
              target.publish();
              return 0;
            }),
            77);
  write_text(dest_ + "-wal", "a newer one");
  a_run_comes_by();
  EXPECT_EQ(read_text(dest_), "old main");
  EXPECT_EQ(read_text(dest_ + "-wal"), "a newer one");
  const auto names = names_in(out_);
  ASSERT_TRUE(names[0].starts_with(".sqlbk-"));
  EXPECT_EQ(read_text(out_ + "/" + names[0] + "/old-wal"), "old-wal") << "and neither is that lost";
}

// A staging directory as a dead run leaves it, with the old -wal in it.
class LeftByADeadRun : public Force {
 protected:
  LeftByADeadRun() {
    make_old();
    std::filesystem::remove(dest_ + "-shm");
    std::filesystem::remove(dest_ + "-journal");
    std::filesystem::create_directory(staging_);
    std::filesystem::rename(dest_ + "-wal", staging_ + "/old-wal");
    write_text(staging_ + "/copy.db", "the copy");
    note_.destination = dest_;
    note_.old_main = stat_path(dest_);
    note_.new_main = *stat_path(staging_ + "/copy.db");
  }
  void write_note(const std::string& text) const {
    write_text(staging_ + "/" + kReplaceNoteName, text);
  }
  void expect_untouched() const {
    EXPECT_EQ(read_text(staging_ + "/old-wal"), "old-wal") << "it may be the only copy";
    EXPECT_FALSE(is_there(dest_ + "-wal"));
  }

  std::string staging_ = out_ + "/.sqlbk-0123456789abcdef0123456789abcdef.staging";
  ReplaceNote note_;
};

TEST_F(LeftByADeadRun, SidecarsGoBackToTheDatabaseTheyBelongTo) {
  write_note(to_text(note_));
  a_run_comes_by();
  EXPECT_EQ(snapshot_of(out_), (Snapshot{{"copy.db", "old main"}, {"copy.db-wal", "old-wal"}}));
}

// Nothing of that one was taken, so nothing has to wait for it.
TEST_F(LeftByADeadRun, WhereNothingWasTakenAnotherMainKeepsNothing) {
  std::filesystem::remove(staging_ + "/old-wal");
  write_note(to_text(note_));
  write_text(dest_, "another's");
  a_run_comes_by();
  EXPECT_EQ(snapshot_of(out_), (Snapshot{{"copy.db", "another's"}}));
}

// The run died before it had a whole note, and so before it took anything away.
TEST_F(LeftByADeadRun, ANoteThatCannotBeUnderstoodBringsNothingBack) {
  const std::string whole = to_text(note_);
  for (const std::string& note :
       {std::string(), std::string("x"), std::string("x\0", 2), whole.substr(0, whole.size() - 1),
        whole.substr(0, 10), std::string(70'000, '1')}) {
    std::filesystem::create_directory(staging_);
    write_text(staging_ + "/old-wal", "must not come back");
    write_note(note);
    a_run_comes_by();
    EXPECT_EQ(snapshot_of(out_), (Snapshot{{"copy.db", "old main"}})) << note.substr(0, 100);
  }
}

TEST_F(LeftByADeadRun, NothingIsTouchedWhereTheDatabaseHasChangedSince) {
  write_note(to_text(note_));
  write_text(dest_, "a newer main");
  a_run_comes_by();
  expect_untouched();
  std::filesystem::remove(dest_);
  a_run_comes_by();
  expect_untouched();
}

TEST_F(LeftByADeadRun, NothingIsTouchedWhereAnotherDatabaseHasTheName) {
  write_note(to_text(note_));
  std::filesystem::rename(dest_, out_ + "/kept.db");
  std::filesystem::copy_file(out_ + "/kept.db", dest_);
  a_run_comes_by();
  expect_untouched();
}

TEST_F(LeftByADeadRun, NothingIsTouchedWhileTheDatabaseIsOpen) {
  write_note(to_text(note_));
  {
    const UniqueFd reader = open_at(AT_FDCWD, dest_, O_RDONLY, 0, dest_);
    a_run_comes_by();
    expect_untouched();
  }
  a_run_comes_by();
  EXPECT_EQ(snapshot_of(out_), (Snapshot{{"copy.db", "old main"}, {"copy.db-wal", "old-wal"}}));
}

TEST_F(LeftByADeadRun, WhereTheCopyStandsTheOldSidecarsGo) {
  write_note(to_text(note_));
  std::filesystem::rename(staging_ + "/copy.db", dest_);
  a_run_comes_by();
  EXPECT_EQ(snapshot_of(out_), (Snapshot{{"copy.db", "the copy"}}));
}

TEST_F(LeftByADeadRun, WhereTheCopyWasWrittenToSinceTheOldSidecarsGo) {
  for (const bool has_both_names : {false, true}) {
    if (has_both_names) {  // killed between link() and unlink()
      std::filesystem::create_directory(staging_);
      write_text(staging_ + "/old-wal", "old-wal");
      write_text(staging_ + "/copy.db", "the copy");
      note_.new_main = *stat_path(staging_ + "/copy.db");
      std::filesystem::remove(dest_);
      std::filesystem::create_hard_link(staging_ + "/copy.db", dest_);
    } else {
      std::filesystem::rename(staging_ + "/copy.db", dest_);
    }
    write_note(to_text(note_));
    write_text(dest_, "the copy, with more in it");
    a_run_comes_by();
    EXPECT_EQ(snapshot_of(out_), (Snapshot{{"copy.db", "the copy, with more in it"}}));
  }
}

TEST_F(LeftByADeadRun, SidecarsGoBackWhereTheDirectoryHasAnotherNameNow) {
  for (const bool has_main : {true, false}) {
    if (!has_main) {
      std::filesystem::remove(dest_);
      note_.old_main = std::nullopt;
    }
    write_note(to_text(note_));
    const std::string moved = directory_.file("moved");
    std::filesystem::rename(out_, moved);
    std::filesystem::create_directory(out_);
    { const StagedTarget target(moved + "/other.db", facts(), {}); }
    EXPECT_EQ(read_text(moved + "/copy.db-wal"), "old-wal");
    EXPECT_TRUE(names_in(out_).empty()) << "not in the directory that has the name now";
    std::filesystem::remove(out_);
    std::filesystem::rename(moved, out_);
    std::filesystem::create_directory(staging_);
    std::filesystem::rename(dest_ + "-wal", staging_ + "/old-wal");
  }
}

TEST_F(LeftByADeadRun, ANewWalWithoutItsMainGoes) {
  write_text(dest_ + "-wal", "its wal");
  note_.new_wal = stat_path(dest_ + "-wal");
  write_note(to_text(note_));
  a_run_comes_by();
  EXPECT_EQ(snapshot_of(out_), (Snapshot{{"copy.db", "old main"}, {"copy.db-wal", "old-wal"}}));
}

TEST_F(LeftByADeadRun, AWalOfAnotherIsNotTakenForTheNewOne) {
  write_text(out_ + "/another-wal", "its wal");
  note_.new_wal = stat_path(out_ + "/another-wal");
  note_.old_main = std::nullopt;
  write_note(to_text(note_));
  std::filesystem::remove(dest_);
  std::filesystem::remove(staging_ + "/old-wal");
  write_text(dest_ + "-wal", "somebody's");
  a_run_comes_by();
  EXPECT_EQ(snapshot_of(out_),
            (Snapshot{{"another-wal", "its wal"}, {"copy.db-wal", "somebody's"}}));
}

TEST_F(LeftByADeadRun, ItIsNotCleanedWhereTheSourceLiesInIt) {
  source_ = staging_ + "/copy.db";
  write_note(to_text(note_));
  a_run_comes_by();
  EXPECT_EQ(read_text(source_), "the copy");
}

// Without force a crash leaves no destination or a whole one.
TEST_F(StagedTargetTest, ACrashAnywhereLeavesNoneOrAWholeOne) {
  const SourceFacts source = facts();
  for (const std::string wal : {"", "its wal"}) {
    for (const auto& install : std::vector<std::function<void(ScopedSys&)>>{
             [](ScopedSys& sys) { sys->renameat2 = dying_renameat2; },
             [](ScopedSys& sys) { sys->fsync = dying_fsync; }}) {
      for (int n = 1;; ++n) {
        const int code = test::in_child([&] {
          ScopedSys sys;
          install(sys);
          script.countdown = n;
          StagedTarget target(dest_, source, {});
          stage(target, "the copy", wal);
          target.publish();
          return 0;
        });
        { const StagedTarget next(out_ + "/other.db", source, {}); }
        Snapshot whole{{"copy.db", "the copy"}};
        if (!wal.empty()) whole["copy.db-wal"] = wal;
        const Snapshot after = snapshot_of(out_);
        EXPECT_TRUE(after == whole || (code != 0 && after.empty()))
            << "call " << n << ": " << testing::PrintToString(after);
        for (const std::string& name : names_in(out_)) std::filesystem::remove(out_ + "/" + name);
        if (code == 0) break;
        ASSERT_EQ(code, 77);
      }
    }
  }
}

// ---- A digest that is published with the copy.

class WithDigest : public Force {
 protected:
  static TargetOptions options(bool force) {
    return {.tempdir = "", .force = force, .preserve = false, .digest = true};
  }
  void stage_all(StagedTarget& target) const {
    target.image().digest = ImageDigest{.main = kMain, .wal = kWal};
    stage(target, "the copy", "its wal");
  }
  void publish_all(bool force) const {
    StagedTarget target(dest_, facts(), options(force));
    stage_all(target);
    target.publish();
  }
  Snapshot all() const {
    return {{"copy.db", "the copy"},
            {"copy.db-wal", "its wal"},
            {"copy.db.sha256", kMain + "  copy.db\n" + kWal + "  copy.db-wal\n"}};
  }
  Snapshot all_old() {
    make_old();
    write_text(dest_ + ".sha256", "old digest");
    Snapshot state = old_state();
    state["copy.db.sha256"] = "old digest";
    return state;
  }

  const std::string kMain = std::string(64, 'a');
  const std::string kWal = std::string(64, 'b');
};

TEST_F(WithDigest, ItStandsBesideTheCopy) {
  publish_all(false);
  EXPECT_EQ(snapshot_of(out_), all());
  EXPECT_EQ(test::permissions_of(dest_ + ".sha256"), test::permissions_of(dest_));
}

TEST_F(WithDigest, ItsNameMustBeFree) {
  write_text(dest_ + ".sha256", "somebody's");
  EXPECT_EQ(refusal(dest_, options(false)), Errc::destination_exists);
  EXPECT_EQ(refusal(dest_, {}), std::nullopt) << "without a digest it is nobody's business";
  StagedTarget target(out_ + "/other.db", facts(), options(false));
  stage_all(target);
  write_text(out_ + "/other.db.sha256", "made meanwhile");
  EXPECT_EQ(code_of([&] { target.publish(); }), Errc::destination_exists);
  EXPECT_FALSE(is_there(out_ + "/other.db"));
  EXPECT_FALSE(is_there(out_ + "/other.db-wal"));
  EXPECT_EQ(read_text(out_ + "/other.db.sha256"), "made meanwhile");
}

TEST_F(WithDigest, ForceReplacesAnOldOneButNoDatabase) {
  static_cast<void>(all_old());
  publish_all(true);
  EXPECT_EQ(snapshot_of(out_), all());
  empty_out();
  { test::Database(dest_ + ".sha256").run("CREATE TABLE t(a)"); }
  EXPECT_EQ(refusal(dest_, options(true)), Errc::destination_exists);
}

TEST_F(WithDigest, WhereTheTempdirIsElsewhereToo) {
  const kit::TemporaryDirectory elsewhere;
  TargetOptions elsewhere_options = options(false);
  elsewhere_options.tempdir = elsewhere.path();
  {
    StagedTarget target(dest_, facts(), elsewhere_options);
    stage_all(target);
    target.publish();
  }
  EXPECT_EQ(snapshot_of(out_), all());
  EXPECT_TRUE(names_in(elsewhere.path()).empty());
}

TEST_F(WithDigest, ANameThatNeedsEscapes) {
  StagedTarget target(out_ + "/a\\b\nc.db", facts(), options(false));
  target.image().digest = ImageDigest{.main = kMain, .wal = ""};
  stage(target, "the copy");
  target.publish();
  EXPECT_EQ(read_text(out_ + "/a\\b\nc.db.sha256"), "\\" + kMain + "  a\\\\b\\nc.db\n");
}

TEST_F(WithDigest, AFailureAnywhereLeavesWhatWasThere) {
  for (const bool force : {false, true}) {
    for (int n = 1;; ++n) {
      const Snapshot before = force ? all_old() : Snapshot{};
      std::optional<Errc> failure;
      {
        ScopedSys sys;
        sys->renameat2 = failing_renameat2;
        script.countdown = n;
        script.fails_with = EIO;
        failure = code_of([&] { publish_all(force); });
      }
      EXPECT_EQ(snapshot_of(out_), failure ? before : all()) << "call " << n;
      empty_out();
      if (!failure) break;
    }
  }
}

TEST_F(WithDigest, ACrashAnywhereLeavesAllOrWhatWasThere) {
  const SourceFacts source = facts();
  for (const bool force : {false, true}) {
    for (const auto& install : std::vector<std::function<void(ScopedSys&)>>{
             [](ScopedSys& sys) { sys->renameat2 = dying_renameat2; },
             [](ScopedSys& sys) { sys->fsync = dying_fsync; }}) {
      for (int n = 1;; ++n) {
        const Snapshot before = force ? all_old() : Snapshot{};
        const int code = test::in_child([&] {
          ScopedSys sys;
          install(sys);
          script.countdown = n;
          StagedTarget target(dest_, source, options(force));
          stage_all(target);
          target.publish();
          return 0;
        });
        { const StagedTarget next(out_ + "/other.db", source, {}); }
        const Snapshot after = snapshot_of(out_);
        EXPECT_TRUE(after == all() || (code != 0 && after == before))
            << "call " << n << ": " << testing::PrintToString(after);
        empty_out();
        if (code == 0) break;
        ASSERT_EQ(code, 77);
      }
    }
  }
}

// ---- Permissions and other attributes.

TEST_F(StagedTargetTest, PermissionsAreTheSourcesAndNeverMore) {
  const mode_t old_umask = ::umask(0);
  for (const mode_t mode : {0600U, 0640U, 0444U, 0400U, 0604U, 0666U, 0777U, 04755U, 02750U}) {
    ASSERT_EQ(::chmod(source_.c_str(), mode), 0);
    {
      StagedTarget target(dest_, facts(), {});
      stage(target, "the copy", "its wal");
      target.publish();
    }
    EXPECT_EQ(test::permissions_of(dest_), mode & 0777U);
    EXPECT_EQ(test::permissions_of(dest_ + "-wal"), mode & 0777U);
    std::filesystem::remove(dest_);
    std::filesystem::remove(dest_ + "-wal");
  }
  ::umask(old_umask);
}

TEST_F(StagedTargetTest, PermissionsThatChangeMeanwhileAreNeverMore) {
  for (const auto& [before, after, wanted] :
       {std::array{0644U, 0600U, 0600U}, {0600U, 0644U, 0600U}, {0640U, 0604U, 0600U}}) {
    ASSERT_EQ(::chmod(source_.c_str(), before), 0);
    StagedTarget target(dest_, facts(), {});
    ASSERT_EQ(::chmod(source_.c_str(), after), 0);
    stage(target, "the copy");
    target.publish();
    EXPECT_EQ(test::permissions_of(dest_), wanted);
    std::filesystem::remove(dest_);
  }
}

// A strategy copies what has the name when it begins, which need not be what was looked at first.
TEST_F(StagedTargetTest, PermissionsAndOwnerAreOfTheFileThatWasCopied) {
  ASSERT_EQ(::chmod(source_.c_str(), 0644), 0);
  const std::string newer = directory_.file("in/newer.db");
  write_text(newer, "the source");
  ASSERT_EQ(::chmod(newer.c_str(), 0600), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(newer.c_str(), 1234, 2345), 0);
  }
  StagedTarget target(dest_, facts(), {.tempdir = "", .force = false, .preserve = true});
  std::filesystem::rename(newer, source_);
  stage(target, "the copy", "its wal");
  target.publish();
  for (const char* suffix : {"", "-wal"}) {
    EXPECT_EQ(test::permissions_of(dest_ + suffix), 0600U);
    EXPECT_EQ(stat_path(dest_ + suffix)->uid, stat_path(source_)->uid);
    EXPECT_EQ(stat_path(dest_ + suffix)->gid, stat_path(source_)->gid);
    EXPECT_EQ(stat_path(dest_ + suffix)->mtime_ns, stat_path(source_)->mtime_ns);
  }
}

TEST_F(StagedTargetTest, ADestinationThatHasBecomeTheSourceIsNotReplaced) {
  write_text(dest_, "old main");
  {
    StagedTarget target(dest_, facts(), with_force());
    std::filesystem::create_hard_link(dest_, directory_.file("in/newer.db"));
    std::filesystem::rename(directory_.file("in/newer.db"), source_);
    stage(target, "the copy");
    EXPECT_EQ(code_of([&] { target.publish(); }), Errc::destination_exists);
  }
  EXPECT_EQ(snapshot_of(out_), (Snapshot{{"copy.db", "old main"}}));
}

TEST_F(StagedTargetTest, WhileStagedNobodyElseMayReadIt) {
  const mode_t old_umask = ::umask(0);
  ASSERT_EQ(::chmod(source_.c_str(), 0666), 0);
  StagedTarget target(dest_, facts(), {});
  static_cast<void>(target.image().main_fd());
  static_cast<void>(target.image().wal_fd());
  EXPECT_EQ(test::permissions_of(target.image().main_path()), 0600U);
  EXPECT_EQ(test::permissions_of(target.image().wal_path()), 0600U);
  ::umask(old_umask);
}

TEST_F(StagedTargetTest, AnUmaskDoesNotTakeAway) {
  const mode_t old_umask = ::umask(077);
  ASSERT_EQ(::chmod(source_.c_str(), 0644), 0);
  copy();
  ::umask(old_umask);
  EXPECT_EQ(test::permissions_of(dest_), 0644U);
}

// A source that everybody but its owner may read: the copy is one that we may not open again.
TEST_F(StagedTargetTest, ACopyThatItsOwnerMayNotReadCanBeSynced) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(out_, std::filesystem::perms(0777));
  ASSERT_EQ(::chmod(source_.c_str(), 0044), 0);
  EXPECT_EQ(test::in_child([&] {
              test::drop_privileges();
              copy();
              return 0;
            }),
            0);
  EXPECT_EQ(test::permissions_of(dest_), 0044U);
}

// Access control lists, as linux/posix_acl_xattr.h lays them out.
class WithAccessList : public StagedTargetTest {
 protected:
  struct Entry {
    std::uint8_t tag;
    std::uint8_t permissions;
    std::uint32_t id = 0xffffffff;
  };
  static constexpr std::uint8_t kOwner = 1, kUser = 2, kGroup = 4, kNamedGroup = 8, kMask = 16,
                                kOther = 32;
  static constexpr const char* kAccess = "system.posix_acl_access";

  // False: there are no lists here.
  static bool set_list(const std::string& path, const char* name, const std::vector<Entry>& list) {
    std::vector<std::uint8_t> bytes{2, 0, 0, 0};
    for (const Entry& entry : list) {
      bytes.insert(bytes.end(), {entry.tag, 0, entry.permissions, 0});
      for (unsigned shift = 0; shift < 32; shift += 8) {
        bytes.push_back(static_cast<std::uint8_t>(entry.id >> shift & 0xffU));
      }
    }
    return ::setxattr(path.c_str(), name, bytes.data(), bytes.size(), 0) == 0;
  }
  bool has_list(const std::string& path) const {
    return ::getxattr(path.c_str(), kAccess, nullptr, 0) >= 0;
  }
  mode_t copied(const TargetOptions& options = {}) const {
    copy(options);
    const mode_t mode = test::permissions_of(dest_);
    has_list_ = has_list(dest_);
    std::filesystem::remove(dest_);
    return mode;
  }

  const TargetOptions kPreserve{.tempdir = "", .force = false, .preserve = true};
  mutable bool has_list_ = false;
};

// With a list the group bits of the mode are its mask: more than the owning group has.
TEST_F(WithAccessList, TheMaskIsNotTakenForTheGroup) {
  if (!set_list(source_, kAccess,
                {{kOwner, 6}, {kUser, 6, 1234}, {kGroup, 4}, {kMask, 6}, {kOther, 0}})) {
    GTEST_SKIP() << "no access control lists here: errno " << errno;
  }
  ASSERT_EQ(test::permissions_of(source_), 0660U);
  EXPECT_EQ(copied(), 0640U);
  EXPECT_FALSE(has_list_);
  EXPECT_EQ(copied(kPreserve), 0660U);
  EXPECT_TRUE(has_list_);
  refuses_attributes = true;
  EXPECT_EQ(copied(kPreserve), 0640U) << "where it cannot be set";
  refuses_attributes = false;
  EXPECT_FALSE(has_list_);
}

// Without the list they would be one of the group or of the others.
TEST_F(WithAccessList, WhoIsDeniedByTheListGetsNothing) {
  if (!set_list(source_, kAccess,
                {{kOwner, 6}, {kUser, 0, 1234}, {kGroup, 4}, {kMask, 6}, {kOther, 4}})) {
    GTEST_SKIP() << "no access control lists here: errno " << errno;
  }
  EXPECT_EQ(copied(), 0600U);
  ASSERT_TRUE(
      set_list(source_, kAccess,
               {{kOwner, 6}, {kGroup, 4}, {kNamedGroup, 0, 1234}, {kMask, 6}, {kOther, 4}}));
  EXPECT_EQ(copied(), 0640U);
  ASSERT_TRUE(set_list(source_, kAccess,
                       {{kOwner, 6}, {kUser, 6, 1234}, {kGroup, 4}, {kMask, 0}, {kOther, 4}}));
  EXPECT_EQ(copied(), 0600U) << "by the mask";
}

TEST_F(WithAccessList, TheDirectorysDefaultDoesNotWidenThePermissions) {
  if (!set_list(out_, "system.posix_acl_default",
                {{kOwner, 7}, {kUser, 7, 65534}, {kGroup, 5}, {kMask, 7}, {kOther, 5}})) {
    GTEST_SKIP() << "no access control lists here: errno " << errno;
  }
  ASSERT_EQ(::chmod(source_.c_str(), 0640), 0);
  for (const TargetOptions& options : {TargetOptions{}, kPreserve}) {
    EXPECT_EQ(copied(options), 0640U);
    EXPECT_FALSE(has_list_) << "nobody would be let in";
  }
}

TEST_F(StagedTargetTest, APermissionThatCannotBeSetLeavesNothing) {
  ScopedSys sys;
  sys->fchmod = [](int, mode_t) {
    errno = EIO;
    return -1;
  };
  EXPECT_EQ(code_of([&] { copy(); }), Errc::io_error);
  EXPECT_TRUE(names_in(out_).empty());
}

TEST_F(StagedTargetTest, PreserveKeepsTimesAndOwner) {
  const std::array<timespec, 2> times{timespec{1'000'000'000, 123}, timespec{1'100'000'000, 456}};
  ASSERT_EQ(::utimensat(AT_FDCWD, source_.c_str(), times.data(), 0), 0);
  ASSERT_EQ(::chmod(source_.c_str(), 0640), 0);
  const bool is_root = ::geteuid() == 0;
  if (is_root) {
    ASSERT_EQ(::chown(source_.c_str(), 1234, 2345), 0);
  }
  copy({.tempdir = "", .force = false, .preserve = true}, "its wal");
  for (const char* suffix : {"", "-wal"}) {
    struct stat file {};
    ASSERT_EQ(::stat((dest_ + suffix).c_str(), &file), 0);
    EXPECT_EQ(file.st_atim.tv_sec, 1'000'000'000);
    EXPECT_EQ(file.st_mtim.tv_sec, 1'100'000'000);
    EXPECT_EQ(file.st_mtim.tv_nsec, 456);
    EXPECT_EQ(file.st_mode & 07777U, 0640U);
    if (is_root) {
      EXPECT_EQ(file.st_uid, 1234U);
      EXPECT_EQ(file.st_gid, 2345U);
    }
  }
}

TEST_F(StagedTargetTest, WithoutPreserveItIsANewFileOfOurs) {
  const std::array<timespec, 2> times{timespec{1'000'000'000, 0}, timespec{1'100'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, source_.c_str(), times.data(), 0), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(source_.c_str(), 1234, 2345), 0);
  }
  copy();
  struct stat file {};
  ASSERT_EQ(::stat(dest_.c_str(), &file), 0);
  EXPECT_GT(file.st_mtim.tv_sec, 1'100'000'000);
  EXPECT_EQ(file.st_uid, ::geteuid());
}

TEST_F(StagedTargetTest, PreserveByAnotherUserKeepsWhatItMay) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(out_, std::filesystem::perms(0777));
  ASSERT_EQ(::chmod(source_.c_str(), 0644), 0);
  const std::array<timespec, 2> times{timespec{1'000'000'000, 0}, timespec{1'100'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, source_.c_str(), times.data(), 0), 0);
  EXPECT_EQ(test::in_child([&] {
              test::drop_privileges();
              copy({.tempdir = "", .force = false, .preserve = true});
              return 0;
            }),
            0);
  struct stat file {};
  ASSERT_EQ(::stat(dest_.c_str(), &file), 0);
  EXPECT_EQ(file.st_uid, 65534U) << "it may not give the file away";
  EXPECT_EQ(file.st_mtim.tv_sec, 1'100'000'000);
}

// Bits that were meant for one group are not for another, and who was of it is one of the others.
TEST_F(StagedTargetTest, PreserveGivesAnotherGroupNothing) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(out_, std::filesystem::perms(0777));
  for (const auto& [mode, wanted] :
       {std::array{0664U, 0644U}, {0604U, 0600U}, {0644U, 0644U}, {0674U, 0644U}}) {
    ASSERT_EQ(::chmod(source_.c_str(), mode), 0);
    EXPECT_EQ(test::in_child([&] {
                test::drop_privileges();
                copy({.tempdir = "", .force = false, .preserve = true});
                return 0;
              }),
              0);
    EXPECT_EQ(test::permissions_of(dest_), wanted) << mode;
    std::filesystem::remove(dest_);
  }
}

TEST_F(StagedTargetTest, PreserveKeepsAGroupThatTheUserIsOf) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  constexpr gid_t kGroup = 2345;
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(out_, std::filesystem::perms(0777));
  ASSERT_EQ(::chown(source_.c_str(), 1234, kGroup), 0);
  ASSERT_EQ(::chmod(source_.c_str(), 0640), 0);
  EXPECT_EQ(test::in_child([&] {
              if (::setgroups(1, &kGroup) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0) {
                return 1;
              }
              copy({.tempdir = "", .force = false, .preserve = true});
              return 0;
            }),
            0);
  EXPECT_EQ(test::permissions_of(dest_), 0640U);
  EXPECT_EQ(stat_path(dest_)->gid, kGroup);
}

TEST_F(StagedTargetTest, PreserveKeepsExtendedAttributes) {
  const std::string value("a\0b", 3);
  if (::setxattr(source_.c_str(), "user.sqlbk", value.data(), value.size(), 0) != 0) {
    GTEST_SKIP() << "no extended attributes here: errno " << errno;
  }
  ASSERT_EQ(::setxattr(source_.c_str(), "user.empty", "", 0, 0), 0);
  copy({.tempdir = "", .force = false, .preserve = true});
  std::array<char, 16> buffer{};
  EXPECT_EQ(::getxattr(dest_.c_str(), "user.sqlbk", buffer.data(), buffer.size()), 3);
  EXPECT_EQ(std::string(buffer.data(), 3), value);
  EXPECT_EQ(::getxattr(dest_.c_str(), "user.empty", buffer.data(), buffer.size()), 0);
  std::filesystem::remove(dest_);
  copy();
  EXPECT_EQ(::getxattr(dest_.c_str(), "user.sqlbk", buffer.data(), buffer.size()), -1);
}

// ---- Staging elsewhere.

class Tempdir : public StagedTargetTest {
 protected:
  TargetOptions options(const std::string& tempdir) const {
    return {.tempdir = tempdir, .force = false, .preserve = false};
  }
};

TEST_F(Tempdir, OnAnotherFileSystemTheCopyIsCopiedOnceMore) {
  const kit::TemporaryDirectory elsewhere(test::memory_directory());
  if (stat_path(elsewhere.path())->device == stat_path(out_)->device) {
    GTEST_SKIP() << "there is no other file system here";
  }
  const std::string long_text(3'000'000, 'x');
  ASSERT_EQ(::chmod(source_.c_str(), 0640), 0);
  {
    StagedTarget target(dest_, facts(), options(elsewhere.path()));
    EXPECT_TRUE(names_in(out_).empty()) << "nothing is made there before it is needed";
    EXPECT_EQ(names_in(elsewhere.path()).size(), 1U);
    stage(target, long_text, "its wal");
    target.publish();
  }
  EXPECT_EQ(snapshot_of(out_), (Snapshot{{"copy.db", long_text}, {"copy.db-wal", "its wal"}}));
  EXPECT_EQ(test::permissions_of(dest_), 0640U);
  EXPECT_TRUE(names_in(elsewhere.path()).empty());
}

TEST_F(Tempdir, OnTheSameFileSystemItIsNotCopied) {
  {
    StagedTarget target(dest_, facts(), options(directory_.file("in")));
    stage(target, "the copy");
    const ino_t staged = test::inode_of(target.image().main_path());
    target.publish();
    EXPECT_EQ(test::inode_of(dest_), staged);
  }
  struct stat file {};
  ASSERT_EQ(::stat(dest_.c_str(), &file), 0);
  EXPECT_EQ(file.st_nlink, 1U);
  EXPECT_EQ(names_in(out_), std::vector<std::string>{"copy.db"});
  EXPECT_EQ(names_in(directory_.file("in")), std::vector<std::string>{"source.db"});
}

// Two mounts of one file system, as containers have them: neither rename nor link goes across.
TEST_F(Tempdir, AcrossMountsOfOneFileSystemTheCopyIsCopiedOnceMore) {
  {
    ScopedSys sys;
    sys->renameat2 = [](int from_dir, const char* from, int to_dir, const char* to,
                        unsigned flags) {
      if (std::string_view(from).find("/in/") == std::string_view::npos) {
        return real_sys().renameat2(from_dir, from, to_dir, to, flags);
      }
      errno = EXDEV;
      return -1;
    };
    sys->linkat = [](int from_dir, const char* from, int to_dir, const char* to, int flags) {
      if (std::string_view(from).find("/in/") == std::string_view::npos) {
        return real_sys().linkat(from_dir, from, to_dir, to, flags);
      }
      errno = EXDEV;
      return -1;
    };
    EXPECT_EQ(code_of([&] { copy(options(directory_.file("in")), "its wal"); }), std::nullopt);
  }
  EXPECT_EQ(snapshot_of(out_), (Snapshot{{"copy.db", "the copy"}, {"copy.db-wal", "its wal"}}));
  EXPECT_EQ(names_in(directory_.file("in")), std::vector<std::string>{"source.db"});
}

TEST_F(Tempdir, AFailedSecondCopyLeavesNothing) {
  const kit::TemporaryDirectory elsewhere(test::memory_directory());
  ScopedSys sys;
  sys->linkat = [](int, const char*, int, const char*, int) {
    errno = EXDEV;
    return -1;
  };
  const SourceFacts source = facts();
  {
    StagedTarget target(dest_, source, options(elsewhere.path()));
    static_cast<void>(target.image().main_fd());
    write_all(target.image().main_fd(), std::as_bytes(std::span("x", 1)), 0, "main");
    sys->pwrite = [](int, const void*, std::size_t, off_t) -> ssize_t {
      errno = ENOSPC;
      return -1;
    };
    const LiveFiles files(source_);
    EXPECT_EQ(code_of([&] { target.sync(files); }), Errc::no_space);
  }
  EXPECT_TRUE(names_in(out_).empty());
  EXPECT_TRUE(names_in(elsewhere.path()).empty());
}

TEST_F(Tempdir, AMissingOneIsUnusable) {
  EXPECT_EQ(code_of([&] {
              const StagedTarget target(dest_, facts(), options(directory_.file("missing")));
            }),
            Errc::destination_unusable);
  EXPECT_TRUE(names_in(out_).empty());
}

// ---- Space.

TEST_F(StagedTargetTest, SpaceIsLookedAtBefore) {
  StagedTarget target(dest_, facts(), {});
  EXPECT_EQ(code_of([&] { target.image().require_space(0); }), std::nullopt);
  EXPECT_EQ(code_of([&] { target.image().require_space(1); }), std::nullopt);
  const auto error = error_of([&] { target.image().require_space(UINT64_MAX); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Errc::no_space);
  EXPECT_EQ(error->os_errno(), ENOSPC);
  EXPECT_EQ(error->path(), out_);
}

TEST_F(StagedTargetTest, AFileSystemThatDoesNotSayHowMuchRoomItHasIsNotFull) {
  if (::mount("none", out_.c_str(), "ramfs", 0, nullptr) != 0) {
    GTEST_SKIP() << "mounting is not allowed here: errno " << errno;
  }
  EXPECT_EQ(code_of([&] {
              StagedTarget target(dest_, facts(), {});
              target.image().require_space(1'000'000);
              stage(target, "the copy");
              target.publish();
            }),
            std::nullopt);
  EXPECT_EQ(snapshot_of(out_), (Snapshot{{"copy.db", "the copy"}}));
  EXPECT_EQ(::umount(out_.c_str()), 0);
}

}  // namespace
}  // namespace sqlbk
