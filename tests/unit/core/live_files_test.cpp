// The descriptor rule, and what LiveFiles finds under a path.
#include "sqlbk/core/live_files.hpp"

#include <array>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "database.hpp"
#include "errors.hpp"
#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "process.hpp"
#include "remote_sqlite.hpp"
#include "sqlbk/core/host_thread.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/source.hpp"

namespace sqlbk {
namespace {

using test::code_of;
using test::Database;
using test::descriptors;
using test::descriptors_of;
using test::error_of;
using test::is_there;
using test::own_posix_locks;
using test::RemoteSqlite;

void make_database(const std::string& path, const std::string& mode) {
  Database database(path);
  database.run("PRAGMA journal_mode=" + mode);
  database.run("CREATE TABLE t(a); INSERT INTO t VALUES (1)");
}

// ---- The descriptor rule: a host program that has the source open keeps its locks.

enum class Where { isolated, plain_thread };

struct RuleCase {
  const char* name;
  const char* mode;
  Where where;
};

class DescriptorRule : public testing::TestWithParam<RuleCase> {
 protected:
  DescriptorRule() { make_database(path_, GetParam().mode); }

  bool wal() const { return std::string(GetParam().mode) == "wal"; }
  static void run(const std::function<void()>& work) {
    if (GetParam().where == Where::isolated) {
      run_isolated([&](HostThread* host) {
        ASSERT_NE(host, nullptr) << "this system gives no thread its own descriptor table";
        work();
      });
    } else {
      work();
    }
  }
  // What only succeeds where the host's locks are gone: with them, 1 for busy.
  std::string try_to_get_past(RemoteSqlite& other) const {
    if (wal()) return other.run("INSERT INTO t VALUES (2); PRAGMA wal_checkpoint(TRUNCATE)");
    return other.try_run("BEGIN EXCLUSIVE") == SQLITE_OK ? "0" : "1";
  }

  kit::TemporaryDirectory directory_;
  std::string path_ = directory_.file("source.db");
};

TEST_P(DescriptorRule, LocksOfTheHostOutliveLiveFiles) {
  Database host(path_);
  host.run("BEGIN");
  ASSERT_EQ(host.integer("SELECT sum(a) FROM t"), 1);
  const auto before = own_posix_locks();
  ASSERT_FALSE(before.empty());
  run([&] {
    for (int round = 0; round < 3; ++round) {
      LiveFiles files(path_);
      EXPECT_EQ(own_posix_locks(), before);
      static_cast<void>(probe_source(files));
      files.refresh_sidecars();
      EXPECT_EQ(own_posix_locks(), before);
    }
    EXPECT_EQ(own_posix_locks(), before);
  });
  EXPECT_EQ(own_posix_locks(), before);
  {
    RemoteSqlite other(path_);
    EXPECT_EQ(try_to_get_past(other), "1");
    other.stop();
  }
  EXPECT_EQ(is_there(path_ + "-wal"), wal()) << "a WAL that is in use must not be deleted";
  EXPECT_EQ(host.integer("SELECT sum(a) FROM t"), 1);
  host.run("COMMIT");
  EXPECT_EQ(host.integer("SELECT sum(a) FROM t"), wal() ? 3 : 1);
}

// The control: without the rule the same checks do find the locks gone.
TEST_P(DescriptorRule, ARawCloseDropsThem) {
  Database host(path_);
  host.run("BEGIN");
  ASSERT_EQ(host.integer("SELECT sum(a) FROM t"), 1);
  for (const char* suffix : {"", "-shm"}) {
    const int fd = ::open((path_ + suffix).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    ASSERT_EQ(::close(fd), 0);
  }
  EXPECT_TRUE(own_posix_locks().empty());
  RemoteSqlite other(path_);
  EXPECT_EQ(try_to_get_past(other), "0");
}

INSTANTIATE_TEST_SUITE_P(
    Modes, DescriptorRule,
    testing::Values(RuleCase{"WalIsolated", "wal", Where::isolated},
                    RuleCase{"WalOnThePlainThread", "wal", Where::plain_thread},
                    RuleCase{"RollbackIsolated", "delete", Where::isolated},
                    RuleCase{"RollbackOnThePlainThread", "delete", Where::plain_thread}),
    [](const testing::TestParamInfo<RuleCase>& rule) { return rule.param.name; });

class LiveFilesTest : public testing::Test {
 protected:
  std::string file(const std::string& name) const { return directory_.file(name); }
  // A LiveFiles of no consequence: at its end, parked descriptors are looked at again.
  void another_run_ends() const {
    test::write_text(file("other.db"), "other");
    const LiveFiles files(file("other.db"));
  }

  kit::TemporaryDirectory directory_;
  std::string path_ = directory_.file("source.db");
};

TEST_F(LiveFilesTest, ParkedDescriptorsAreClosedWhenThereAreNoMoreLocks) {
  make_database(path_, "wal");
  Database host(path_);
  host.run("BEGIN");
  ASSERT_EQ(host.integer("SELECT sum(a) FROM t"), 1);
  const int of_main = descriptors_of(path_);
  const int of_wal = descriptors_of(path_ + "-wal");
  const int of_shm = descriptors_of(path_ + "-shm");
  { const LiveFiles files(path_); }
  EXPECT_EQ(descriptors_of(path_), of_main + 1) << "kept open: the host holds locks";
  EXPECT_EQ(descriptors_of(path_ + "-shm"), of_shm + 1);
  EXPECT_EQ(descriptors_of(path_ + "-wal"), of_wal) << "no locks there, so nothing to keep";
  another_run_ends();
  EXPECT_EQ(descriptors_of(path_), of_main + 1);
  // A host that closes the database closes descriptors itself, and so ends its locks.
  host.run("COMMIT");
  host.run("PRAGMA journal_mode=DELETE");
  ASSERT_TRUE(own_posix_locks().empty());
  another_run_ends();
  EXPECT_EQ(descriptors_of(path_), of_main);
}

// A thread with a table of its own drops nobody's locks: it parks nothing, and what it has open is
// not taken for the host's descriptors of the same numbers.
TEST_F(LiveFilesTest, AnIsolatedThreadParksNothing) {
  make_database(path_, "wal");
  std::array<UniqueFd, 8> bystanders;
  for (UniqueFd& bystander : bystanders) {
    bystander = open_at(AT_FDCWD, directory_.path(), O_RDONLY, 0, directory_.path());
  }
  Database host(path_);
  host.run("BEGIN");
  ASSERT_EQ(host.integer("SELECT sum(a) FROM t"), 1);
  run_isolated([&](HostThread* thread) {
    ASSERT_NE(thread, nullptr);
    { const LiveFiles files(path_); }
    EXPECT_EQ(descriptors(), 3);
  });
  another_run_ends();
  for (const UniqueFd& fd : bystanders) EXPECT_NE(::fcntl(fd.get(), F_GETFD), -1) << fd.get();
}

TEST_F(LiveFilesTest, WithoutLocksNothingIsParked) {
  make_database(path_, "delete");
  const int before = descriptors();
  {
    const LiveFiles files(path_);
    EXPECT_EQ(descriptors_of(path_), 1);
  }
  EXPECT_EQ(descriptors(), before);
}

// ---- What is found under a path.

TEST_F(LiveFilesTest, OpensWhatIsThere) {
  test::write_text(path_, "main");
  test::write_text(path_ + "-wal", "wal");
  test::write_text(path_ + "-journal", "journal");
  LiveFiles files(path_);
  EXPECT_TRUE(files.has(SourceFile::main));
  EXPECT_TRUE(files.has(SourceFile::wal));
  EXPECT_FALSE(files.has(SourceFile::shm));
  EXPECT_TRUE(files.has(SourceFile::journal));
  EXPECT_EQ(files.fd_of(SourceFile::shm), -1);
  EXPECT_EQ(files.path_of(SourceFile::shm), path_ + "-shm");
  EXPECT_EQ(files.stat(SourceFile::journal).size_bytes, 7U);
  EXPECT_EQ(files.stat_by_path(SourceFile::shm), std::nullopt);
  std::array<std::byte, 16> buffer{};
  EXPECT_EQ(files.read(SourceFile::wal, buffer, 1), 2U);
  EXPECT_EQ(buffer[0], std::byte{'a'});
  EXPECT_EQ(files.read(SourceFile::wal, buffer, 99), 0U);
  EXPECT_EQ(files.read(SourceFile::shm, buffer, 0), 0U);
}

TEST_F(LiveFilesTest, OpensForReadingOnly) {
  test::write_text(path_, "main");
  const LiveFiles files(path_);
  const int flags = ::fcntl(files.fd_of(SourceFile::main), F_GETFL);
  EXPECT_EQ(flags & O_ACCMODE, O_RDONLY);
  EXPECT_NE(flags & O_NOATIME, 0) << "reading leaves no trace in the source's times";
  EXPECT_NE(::fcntl(files.fd_of(SourceFile::main), F_GETFD) & FD_CLOEXEC, 0);
}

// SQLite looks for the sidecars beside what the links lead to.
TEST_F(LiveFilesTest, SymbolicLinksLeadToWhereSqliteHasTheSidecars) {
  ASSERT_TRUE(std::filesystem::create_directory(file("real")));
  const std::string real = file("real") + "/data.db";
  std::filesystem::create_directory_symlink(file("real"), file("dir-link"));
  std::filesystem::create_symlink("dir-link/data.db", file("link.db"));
  std::filesystem::create_symlink("link.db", file("link-to-link.db"));
  make_database(real, "wal");
  Database host(file("link-to-link.db"));
  host.run("INSERT INTO t VALUES (5)");
  run_isolated([&](HostThread*) {
    for (const std::string& name : {file("link-to-link.db"), file("link.db"), real,
                                    file("dir-link") + "/../real/./data.db"}) {
      const LiveFiles files(name);
      EXPECT_EQ(files.given_path(), name);
      EXPECT_EQ(files.main_path(), std::filesystem::canonical(real).string());
      EXPECT_TRUE(files.has(SourceFile::wal)) << name;
      EXPECT_TRUE(files.has(SourceFile::shm)) << name;
    }
  });
}

// Only main's path is asked as a whole: the owner's next journal comes to the directory of that
// path.
TEST_F(LiveFilesTest, ADirectoryThatWasReplacedHasAnotherMain) {
  ASSERT_TRUE(std::filesystem::create_directory(file("data")));
  test::write_text(file("data/a.db"), "old");
  LiveFiles files(file("data/a.db"));
  std::filesystem::rename(file("data"), file("old"));
  EXPECT_FALSE(files.is_current(SourceFile::main));
  EXPECT_EQ(files.stat_by_path(SourceFile::main), std::nullopt);
  EXPECT_EQ(code_of([&] { files.begin_attempt(); }), Errc::source_missing);
  ASSERT_TRUE(std::filesystem::create_directory(file("data")));
  std::filesystem::create_hard_link(file("old/a.db"), file("data/a.db"));
  EXPECT_FALSE(files.is_current(SourceFile::main)) << "the same file, in another directory";
  test::write_text(file("data/a.db-wal"), "new wal");
  files.refresh_sidecars();
  EXPECT_FALSE(files.has(SourceFile::wal)) << "never of another directory than main";
  files.begin_attempt();
  files.refresh_sidecars();
  EXPECT_TRUE(files.is_current(SourceFile::main));
  EXPECT_EQ(files.stat(SourceFile::wal).size_bytes, 7U);
}

// All is opened by the directory that was found, whatever becomes of the links that led there.
TEST_F(LiveFilesTest, LinksAreFollowedOnce) {
  for (const char* name : {"one", "two"}) {
    ASSERT_TRUE(std::filesystem::create_directory(file(name)));
    test::write_text(file(name) + "/a.db", name);
  }
  std::filesystem::create_directory_symlink("one", file("link"));
  LiveFiles files(file("link") + "/a.db");
  std::filesystem::remove(file("link"));
  std::filesystem::create_directory_symlink("two", file("link"));
  test::write_text(file("one/a.db-wal"), "one");
  test::write_text(file("two/a.db-wal"), "twotwo");
  files.begin_attempt();
  files.refresh_sidecars();
  EXPECT_TRUE(files.is_current(SourceFile::main));
  EXPECT_EQ(files.stat(SourceFile::wal).size_bytes, 3U);
}

TEST_F(LiveFilesTest, AMainThatBecomesALinkIsAnotherFile) {
  test::write_text(path_, "main");
  LiveFiles files(path_);
  test::write_text(file("other.db"), "other");
  std::filesystem::remove(path_);
  std::filesystem::create_symlink("other.db", path_);
  EXPECT_FALSE(files.is_current(SourceFile::main));
  files.begin_attempt();
  EXPECT_EQ(files.main_path(), std::filesystem::canonical(path_).string());
  EXPECT_EQ(files.stat(SourceFile::main).size_bytes, 5U);
}

TEST_F(LiveFilesTest, LinksOfProcLeadToTheFileThatIsOpen) {
  ASSERT_TRUE(std::filesystem::create_directory(file("data")));
  test::write_text(file("data/a.db"), "main");
  test::write_text(file("data/a.db-wal"), "wal");
  const UniqueFd directory = open_at(AT_FDCWD, file("data"), O_RDONLY | O_DIRECTORY, 0, "");
  const UniqueFd main = open_at(AT_FDCWD, file("data/a.db"), O_RDONLY, 0, "");
  const std::string table = "/proc/self/fd/";
  std::filesystem::rename(file("data/a.db"), file("data/b.db"));
  std::filesystem::rename(file("data/a.db-wal"), file("data/b.db-wal"));
  for (const std::string& path :
       {table + std::to_string(directory.get()) + "/b.db", table + std::to_string(main.get())}) {
    const LiveFiles files(path);
    EXPECT_EQ(files.main_path(), std::filesystem::canonical(file("data/b.db")).string());
    EXPECT_TRUE(files.has(SourceFile::wal)) << path;
  }
  std::filesystem::remove(file("data/b.db"));
  const auto error = error_of([&] { const LiveFiles files(table + std::to_string(main.get())); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Errc::unsupported_database);
  EXPECT_NE(std::string(error->what()).find("it was deleted"), std::string::npos);
}

// SQLite opens sidecars with O_NOFOLLOW.
TEST_F(LiveFilesTest, ASidecarThatIsALinkIsRefused) {
  test::write_text(path_, "main");
  test::write_text(file("elsewhere"), "wal");
  std::filesystem::create_symlink("elsewhere", path_ + "-wal");
  const auto error = error_of([&] { const LiveFiles files(path_); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Errc::unsupported_database);
  EXPECT_NE(std::string(error->what()).find("symbolic link"), std::string::npos);
}

TEST_F(LiveFilesTest, RelativePathsAreResolvedOnce) {
  test::write_text(path_, "main");
  const std::string here = std::filesystem::current_path().string();
  std::filesystem::current_path(directory_.path());
  const LiveFiles files("source.db");
  std::filesystem::current_path(here);
  EXPECT_EQ(files.main_path(), std::filesystem::canonical(path_).string());
  EXPECT_TRUE(files.is_current(SourceFile::main));
}

TEST_F(LiveFilesTest, AMissingFileIsSaidToBeMissing) {
  const auto error = error_of([&] { const LiveFiles files(file("missing.db")); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Errc::source_missing);
  EXPECT_EQ(error->path(), file("missing.db"));
  EXPECT_EQ(code_of([&] { const LiveFiles files(file("missing") + "/x.db"); }),
            Errc::source_missing);
  test::write_text(path_, "main");
  EXPECT_EQ(code_of([&] { const LiveFiles files(path_ + "/x.db"); }), Errc::source_missing)
      << "a file is no directory";
  std::filesystem::create_symlink("nothing.db", file("dangling.db"));
  EXPECT_EQ(code_of([&] { const LiveFiles files(file("dangling.db")); }), Errc::source_missing);
}

TEST_F(LiveFilesTest, ALoopOfLinksIsAnError) {
  std::filesystem::create_symlink("b.db", file("a.db"));
  std::filesystem::create_symlink("a.db", file("b.db"));
  const auto error = error_of([&] { const LiveFiles files(file("a.db")); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Errc::io_error);
  EXPECT_EQ(error->os_errno(), ELOOP);
}

TEST_F(LiveFilesTest, WhatIsNoRegularFileIsNotADatabase) {
  EXPECT_EQ(code_of([&] { const LiveFiles files(directory_.path()); }), Errc::not_a_database);
  ASSERT_EQ(::mkfifo(file("fifo").c_str(), 0600), 0);
  EXPECT_EQ(code_of([&] { const LiveFiles files(file("fifo")); }), Errc::not_a_database);
  EXPECT_EQ(code_of([&] { const LiveFiles files("/dev/null"); }), Errc::not_a_database);
  const int before = descriptors();
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = file("socket");
  ASSERT_LT(name.size(), sizeof address.sun_path);
  name.copy(address.sun_path, name.size());
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(code_of([&] { const LiveFiles files(name); }), Errc::not_a_database);
  EXPECT_EQ(descriptors(), before + 1);
}

TEST_F(LiveFilesTest, ASidecarThatIsNoRegularFileIsRefusedWithoutHanging) {
  test::write_text(path_, "main");
  const int before = descriptors();
  ASSERT_EQ(::mkfifo((path_ + "-wal").c_str(), 0600), 0);
  EXPECT_EQ(code_of([&] { const LiveFiles files(path_); }), Errc::unsupported_database);
  ASSERT_EQ(::unlink((path_ + "-wal").c_str()), 0);
  ASSERT_TRUE(std::filesystem::create_directory(path_ + "-journal"));
  EXPECT_EQ(code_of([&] { const LiveFiles files(path_); }), Errc::unsupported_database);
  EXPECT_EQ(descriptors(), before) << "a constructor that throws keeps nothing open";
}

TEST_F(LiveFilesTest, AnUnreadableFileIsSaidToBeForbidden) {
  test::write_text(path_, "main");
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(path_, std::filesystem::perms::none);
  const auto refused = [&] {
    return test::in_child([&] {
      test::drop_privileges();
      return code_of([&] { const LiveFiles files(path_); }) == Errc::permission_denied ? 0 : 1;
    });
  };
  EXPECT_EQ(refused(), 0);
  std::filesystem::permissions(path_, std::filesystem::perms(0644));
  EXPECT_EQ(refused(), 1) << "the control";
  test::write_text(path_ + "-wal", "wal");
  std::filesystem::permissions(path_ + "-wal", std::filesystem::perms::none);
  EXPECT_EQ(refused(), 0) << "a sidecar is a part of it";
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0700));
}

// O_NOATIME is for the owner of a file only; others read it all the same.
TEST_F(LiveFilesTest, AnotherUsersFileCanBeRead) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  test::write_text(path_, "main");
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(path_, std::filesystem::perms(0644));
  EXPECT_EQ(test::in_child([&] {
              test::drop_privileges();
              const LiveFiles files(path_);
              std::array<std::byte, 4> bytes{};
              return files.read(SourceFile::main, bytes, 0) == 4 ? 0 : 1;
            }),
            0);
}

// ---- Files that are replaced, come and go.

TEST_F(LiveFilesTest, AReplacedFileIsNotCurrent) {
  test::write_text(path_, "old");
  LiveFiles files(path_);
  EXPECT_TRUE(files.is_current(SourceFile::main));
  test::write_text(file("new"), "newer");
  std::filesystem::rename(file("new"), path_);
  EXPECT_FALSE(files.is_current(SourceFile::main));
  EXPECT_EQ(files.stat(SourceFile::main).size_bytes, 3U) << "still the old one";
  EXPECT_EQ(files.stat_by_path(SourceFile::main)->size_bytes, 5U);
  const int old = files.fd_of(SourceFile::main);
  EXPECT_TRUE(files.refresh(SourceFile::main));
  EXPECT_TRUE(files.is_current(SourceFile::main));
  EXPECT_EQ(files.stat(SourceFile::main).size_bytes, 5U);
  EXPECT_NE(::fcntl(old, F_GETFD), -1) << "kept open until the next attempt";
  files.begin_attempt();
  EXPECT_EQ(::fcntl(old, F_GETFD), -1);
}

// A journal that was deleted keeps its space on the owner's disk while we have it open.
TEST_F(LiveFilesTest, DeletedFilesAreNotKeptForLong) {
  test::write_text(path_, "main");
  LiveFiles files(path_);
  const int before = descriptors();
  for (int i = 0; i < 50; ++i) {
    test::write_text(path_ + "-journal", std::to_string(i));
    files.refresh_sidecars();
    std::filesystem::remove(path_ + "-journal");
  }
  files.refresh_sidecars();
  EXPECT_EQ(descriptors(), before);
  for (int i = 0; i < 3; ++i) {
    test::write_text(path_ + "-wal", std::to_string(i));
    files.refresh_sidecars();
    std::filesystem::remove(path_ + "-wal");
  }
  EXPECT_EQ(descriptors(), before + 3);
  files.refresh_sidecars();
  files.begin_attempt();
  EXPECT_EQ(descriptors(), before);
}

TEST_F(LiveFilesTest, SidecarsComeAndGo) {
  test::write_text(path_, "main");
  const int before = descriptors();
  {
    LiveFiles files(path_);
    EXPECT_TRUE(files.is_current(SourceFile::wal)) << "none open, none there";
    test::write_text(path_ + "-wal", "wal");
    EXPECT_FALSE(files.is_current(SourceFile::wal));
    EXPECT_TRUE(files.refresh(SourceFile::wal));
    EXPECT_TRUE(files.is_current(SourceFile::wal));
    const int same = files.fd_of(SourceFile::wal);
    EXPECT_TRUE(files.refresh(SourceFile::wal));
    EXPECT_EQ(files.fd_of(SourceFile::wal), same) << "a current file is not opened again";
    std::filesystem::remove(path_ + "-wal");
    EXPECT_FALSE(files.is_current(SourceFile::wal));
    EXPECT_FALSE(files.refresh(SourceFile::wal));
    EXPECT_FALSE(files.has(SourceFile::wal));
    EXPECT_TRUE(files.is_current(SourceFile::wal));
    std::filesystem::remove(path_);
    EXPECT_FALSE(files.is_current(SourceFile::main));
    EXPECT_EQ(code_of([&] { files.refresh(SourceFile::main); }), Errc::source_missing);
  }
  EXPECT_EQ(descriptors(), before) << "the replaced ones are closed, too";
}

TEST_F(LiveFilesTest, WhatLiesBesideIsFoundInTheSameDirectory) {
  test::write_text(path_, "main");
  test::write_text(path_ + ".sha256", "digest");
  const LiveFiles files(path_);
  EXPECT_EQ(files.stat_beside(".sha256")->size_bytes, 6U);
  EXPECT_TRUE(files.open_beside(".sha256"));
  EXPECT_EQ(files.stat_beside(".none"), std::nullopt);
  EXPECT_FALSE(files.open_beside(".none"));
}

TEST(SuffixOf, IsSqlites) {
  EXPECT_EQ(suffix_of(SourceFile::main), "");
  EXPECT_EQ(suffix_of(SourceFile::wal), "-wal");
  EXPECT_EQ(suffix_of(SourceFile::shm), "-shm");
  EXPECT_EQ(suffix_of(SourceFile::journal), "-journal");
}

}  // namespace
}  // namespace sqlbk
