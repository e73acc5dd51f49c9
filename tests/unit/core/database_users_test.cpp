// Who uses a database, and with which sidecars: other programs with SQLite connections of their
// own, under this name and under others, seen and unseen.
#include "sqlbk/core/database_users.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <linux/capability.h>
#include <optional>
#include <sched.h>
#include <string>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "linux/process_files.hpp"
#include "process.hpp"
#include "remote_sqlite.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/locks.hpp"
#include "sqlbk/format/wal_index.hpp"

namespace sqlbk {

void PrintTo(UsersVerdict verdict, std::ostream* out) {
  constexpr std::array kNames{"these", "unknown", "others"};
  *out << kNames.at(static_cast<std::size_t>(verdict));
}

namespace {

namespace fs = std::filesystem;
using test::RemoteSqlite;

constexpr UsersVerdict kThese = UsersVerdict::these;
constexpr UsersVerdict kUnknown = UsersVerdict::unknown;
constexpr UsersVerdict kOthers = UsersVerdict::others;

// A process without SQLite that has done something and stays.
class Bystander {
 public:
  explicit Bystander(const std::function<void()>& work) {
    std::array<int, 2> ready{};
    if (::pipe2(ready.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("fork");
    if (pid_ == 0) {
      work();
      static_cast<void>(::write(ready[1], "!", 1) == 1);
      while (true) ::pause();
    }
    static_cast<void>(::close(ready[1]));
    char byte = 0;
    const bool is_ready = ::read(ready[0], &byte, 1) == 1;
    static_cast<void>(::close(ready[0]));
    if (!is_ready) throw std::runtime_error("the bystander failed");
  }
  Bystander(const Bystander&) = delete;
  Bystander& operator=(const Bystander&) = delete;
  ~Bystander() {
    static_cast<void>(::kill(pid_, SIGKILL));
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
  }
  pid_t pid() const noexcept { return pid_; }

 private:
  pid_t pid_ = -1;
};

int open_or_exit(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) ::_exit(3);
  return fd;
}

// For open-file-description locks of this process.
void lock_range(int fd, std::uint64_t first, std::uint64_t length) {
  struct flock lock {};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(first);
  lock.l_len = static_cast<off_t>(length);
  ASSERT_EQ(::fcntl(fd, F_OFD_SETLK, &lock), 0);
}

bool sees_all() {
  return platform::is_in_initial_pid_namespace() && platform::may_look_into_all_processes();
}

class DatabaseUsersTest : public testing::Test {
 protected:
  void make(const std::string& mode) const { make_at(path_, mode); }
  static void make_at(const std::string& path, const std::string& mode) {
    RemoteSqlite maker(path);
    maker.run("PRAGMA journal_mode=" + mode + "; CREATE TABLE t(a); INSERT INTO t VALUES (1)");
    maker.stop();
  }
  static UsersAnswer answer_for(const std::string& path) {
    LiveFiles files(path);
    return answer_for(files);
  }
  // Of an attempt in which nothing happens.
  static UsersAnswer answer_for(LiveFiles& files) {
    DatabaseUsers users(files);
    static_cast<void>(users.at_start());
    return users.at_end();
  }
  UsersAnswer answer() const { return answer_for(path_); }
  static void expect(UsersVerdict verdict, const UsersAnswer& found) {
    EXPECT_EQ(found.verdict, verdict) << found.sentence;
    EXPECT_EQ(found.sentence.empty(), verdict == kThese) << found.sentence;
    if (verdict != kOthers) {
      EXPECT_EQ(found.hint, "");
    }
  }
  // Another database takes the name, as a restore does it.
  void replace_main() const {
    const std::string other = directory_.file("restored.db");
    make_at(other, "wal");
    fs::rename(other, path_);
  }
  static std::string spill(const std::string& journal_mode) {
    return "PRAGMA journal_mode=" + journal_mode +
           "; PRAGMA cache_size=5; BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
           "FROM n WHERE i < 300) INSERT INTO t SELECT zeroblob(900) FROM n";
  }

  kit::TemporaryDirectory directory_;
  std::string path_ = directory_.file("source.db");
};

// --- Honest owners.

TEST_F(DatabaseUsersTest, NothingUsesIt) {
  for (const char* mode : {"delete", "wal"}) {
    make(mode);
    expect(kThese, answer());
    fs::remove(path_);
  }
}

class HonestOwner : public DatabaseUsersTest,
                    public testing::WithParamInterface<std::array<const char*, 3>> {
 protected:
  void SetUp() override {
    if (!platform::is_in_initial_pid_namespace()) {
      GTEST_SKIP() << "from this process-id namespace not every process can be seen";
    }
  }
};

TEST_P(HonestOwner, UsesThese) {
  const auto [name, mode, sql] = GetParam();
  make(mode);
  RemoteSqlite owner(path_);
  owner.run(sql);
  expect(kThese, answer());
  RemoteSqlite second(path_);
  static_cast<void>(second.try_run("SELECT count(*) FROM t"));
  expect(kThese, answer());
}

INSTANTIATE_TEST_SUITE_P(
    Owners, HonestOwner,
    testing::Values(std::array{"wal_idle", "wal", "SELECT * FROM t"},
                    std::array{"wal_reader", "wal", "BEGIN; SELECT * FROM t"},
                    std::array{"wal_writer", "wal", "BEGIN; INSERT INTO t VALUES (2)"},
                    std::array{"wal_exclusive", "wal",
                               "PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t VALUES (2)"},
                    std::array{
                        "wal_then_exclusive", "wal",
                        "SELECT * FROM t; PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t VALUES (2)"},
                    std::array{"rollback_idle", "delete", "SELECT * FROM t"},
                    std::array{"rollback_reader", "delete", "BEGIN; SELECT * FROM t"},
                    std::array{"rollback_reserved", "delete", "BEGIN IMMEDIATE"},
                    std::array{"rollback_dirty", "delete", "BEGIN; INSERT INTO t VALUES (2)"},
                    std::array{"rollback_exclusive", "delete", "BEGIN EXCLUSIVE"},
                    std::array{"persist", "persist", "INSERT INTO t VALUES (2)"},
                    std::array{"truncate", "truncate", "INSERT INTO t VALUES (2)"},
                    std::array{"exclusive_mode", "delete",
                               "PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t VALUES (2)"},
                    std::array{"exclusive_persist", "persist",
                               "PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t VALUES (2)"}),
    [](const testing::TestParamInfo<HonestOwner::ParamType>& test) {
      return std::string(test.param[0]);
    });

TEST_F(HonestOwner, InTheMiddleOfATransactionThatHasReachedMain) {
  make("delete");
  RemoteSqlite owner(path_);
  owner.run(spill("delete"));
  ASSERT_EQ(test::read_file(path_ + "-journal").at(0), std::byte{0xd9});
  expect(kThese, answer());
  owner.run("ROLLBACK");
  expect(kThese, answer());
}

TEST_F(HonestOwner, OfAnotherDatabaseToo) {
  make("wal");
  const std::string other = directory_.file("other.db");
  make_at(other, "wal");
  RemoteSqlite owner(path_);
  owner.run("ATTACH '" + other + "' AS o; SELECT * FROM t; SELECT * FROM o.t");
  expect(kThese, answer());
  fs::remove(other + "-wal");
  expect(kThese, answer());
}

TEST_F(HonestOwner, WhoseDatabaseIsReachedThroughALink) {
  make("wal");
  const std::string link = directory_.file("link.db");
  fs::create_symlink(path_, link);
  RemoteSqlite owner(link);
  owner.run("SELECT * FROM t");
  expect(kThese, answer());
  expect(kThese, answer_for(link));
}

TEST_F(HonestOwner, WhoIsDead) {
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("INSERT INTO t VALUES (2)");
  owner.kill();
  ASSERT_GT(fs::file_size(path_ + "-wal"), 0U);
  expect(kThese, answer());
}

TEST_F(HonestOwner, WhoDiedInATransaction) {
  make("delete");
  RemoteSqlite owner(path_);
  owner.run(spill("delete"));
  owner.kill();
  ASSERT_EQ(test::read_file(path_ + "-journal").at(0), std::byte{0xd9});
  expect(kThese, answer());
}

// It holds SHARED and takes no lock that would say so on the -shm (walBeginShmUnreliable()).
TEST_F(HonestOwner, WhoMayNotWriteTheIndex) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  make("wal");
  RemoteSqlite dead(path_);
  dead.run("INSERT INTO t VALUES (2)");
  dead.kill();
  fs::permissions(directory_.path(), fs::perms(0755));
  for (const char* suffix : {"", "-wal", "-shm"}) fs::permissions(path_ + suffix, fs::perms(0644));
  const RemoteSqlite reader(path_, "read-only",
                            {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"});
  LiveFiles files(path_);
  const LockState locks = lock_state(files);
  if (!locks.shared || locks.dms) GTEST_SKIP() << "this SQLite locks in another way";
  expect(kThese, answer_for(files));
}

TEST_F(DatabaseUsersTest, AnotherCopyIsNoOwner) {
  make("wal");
  RemoteSqlite dead(path_);
  dead.run("INSERT INTO t VALUES (2)");
  dead.kill();
  const UniqueFd main = open_at(AT_FDCWD, path_, O_RDONLY, 0, path_);
  const UniqueFd shm = open_at(AT_FDCWD, path_ + "-shm", O_RDONLY, 0, path_);
  lock_range(main.get(), kCopySharedByte, 1);
  lock_range(shm.get(), format::kWalReadLock0Byte, 1);
  lock_range(shm.get(), format::kWalDmsLockByte, 1);
  expect(kThese, answer());
  if (!sees_all()) return;
  RemoteSqlite owner(path_);
  owner.run("SELECT * FROM t");
  expect(kThese, answer());
}

// --- Owners that lock for an open file, so that no lock names a process.

class OpenFileLocks : public DatabaseUsersTest, public testing::WithParamInterface<const char*> {};

TEST_P(OpenFileLocks, AreFoundAmongTheDescriptorsOrAssumed) {
  for (const char* mode : {"wal", "delete"}) {
    make(mode);
    RemoteSqlite owner(path_, "open-file-locks");
    owner.run(GetParam());
    LiveFiles files(path_);
    ASSERT_TRUE(lock_state(files).shared);
    EXPECT_EQ(lock_state(files).shared->pid, -1);
    expect(sees_all() ? kThese : kUnknown, answer());
    if (::geteuid() == 0) {
      EXPECT_EQ(test::in_child([&] {
                  fs::permissions(directory_.path(), fs::perms::all);
                  fs::permissions(path_, fs::perms::all);
                  for (const char* sidecar : {"-wal", "-shm", "-journal"}) {
                    if (fs::exists(path_ + sidecar)) {
                      fs::permissions(path_ + sidecar, fs::perms::all);
                    }
                  }
                  test::drop_privileges();
                  return answer().verdict == kUnknown ? 0 : 1;
                }),
                0)
          << mode;
    }
    owner.stop();
    fs::remove(path_);
  }
}

INSTANTIATE_TEST_SUITE_P(Owners, OpenFileLocks,
                         testing::Values("BEGIN; SELECT * FROM t",
                                         "PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t VALUES (2)"),
                         [](const testing::TestParamInfo<const char*>& test) {
                           return test.index == 0 ? "Shared" : "Exclusive";
                         });

TEST_F(DatabaseUsersTest, AnOwnerElsewhereWithLocksOfAnOpenFileIsNotCoveredByABystander) {
  make("wal");
  const std::string other = directory_.file("other.db");
  fs::create_hard_link(path_, other);
  RemoteSqlite owner(other, "open-file-locks");
  owner.run("INSERT INTO t VALUES (2)");
  expect(kOthers, answer());
  RemoteSqlite bystander(path_);
  bystander.run("SELECT * FROM t");
  expect(kOthers, answer());
}

// --- Main was replaced under its owner.

TEST_F(DatabaseUsersTest, AnOwnerThatHasLostTheNameToAnotherMain) {
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("INSERT INTO t VALUES (2)");
  replace_main();
  expect(kOthers, answer());
  // A program that opens the new one is attached to the same -shm.
  RemoteSqlite bystander(path_);
  static_cast<void>(bystander.try_run("SELECT * FROM t"));
  expect(kOthers, answer());
}

TEST_F(DatabaseUsersTest, AnExclusiveOwnerThatHasLostTheName) {
  if (!sees_all()) GTEST_SKIP() << "not every process can be seen";
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t VALUES (2)");
  replace_main();
  expect(kOthers, answer());
}

// It holds no lock on anything that has a name here, and the one that speaks for the new main is a
// bystander's.
TEST_F(DatabaseUsersTest, AnExclusiveOwnerThatHasLostTheNameBesideABystander) {
  if (!sees_all()) GTEST_SKIP() << "not every process can be seen";
  for (const char* rows : {"1", "2500"}) {
    SCOPED_TRACE(rows);
    make("wal");
    RemoteSqlite owner(path_);
    owner.run("PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t VALUES (2)");
    const std::string other = directory_.file("restored.db");
    make_at(other, "wal");
    RemoteSqlite grown(other);
    grown.run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
              std::string(rows) + ") INSERT INTO t SELECT zeroblob(4000) FROM n");
    grown.stop();
    fs::rename(other, path_);
    RemoteSqlite bystander(path_);
    static_cast<void>(bystander.try_run("SELECT * FROM t"));
    expect(kOthers, answer());
    bystander.stop();
    owner.stop();
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path_ + suffix);
  }
}

TEST_F(DatabaseUsersTest, AWriterThatHasLostTheName) {
  if (!sees_all()) GTEST_SKIP() << "not every process can be seen";
  make("delete");
  RemoteSqlite owner(path_);
  owner.run(spill("delete"));
  replace_main();
  expect(kOthers, answer());
}

TEST_F(DatabaseUsersTest, AMainThatIsReplacedMeanwhile) {
  make("delete");
  LiveFiles files(path_);
  DatabaseUsers users(files);
  expect(kThese, users.at_start());
  expect(kThese, users.at_end());
  replace_main();
  expect(kOthers, users.at_end());
  files.begin_attempt();
  expect(kOthers, users.at_end());
}

// --- Main has another name, beside which the owner's sidecars are.

TEST_F(DatabaseUsersTest, AnOwnerUnderAnotherName) {
  make("wal");
  const std::string other = directory_.file("other.db");
  fs::create_hard_link(path_, other);
  RemoteSqlite owner(other);
  owner.run("INSERT INTO t VALUES (2)");
  expect(kOthers, answer());
  // One that is attached here does not vouch for it.
  RemoteSqlite bystander(path_);
  bystander.run("SELECT * FROM t");
  expect(kOthers, answer());
  owner.stop();
  expect(kUnknown, answer());
}

TEST_F(DatabaseUsersTest, AnOwnerThroughABindMountOfTheFile) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can mount";
  make("wal");
  const std::string other = directory_.file("other.db");
  test::write_text(other, "");
  if (::mount(path_.c_str(), other.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    GTEST_SKIP() << "no bind mounts here";
  }
  {
    RemoteSqlite owner(other);
    owner.run("INSERT INTO t VALUES (2)");
    RemoteSqlite bystander(path_);
    bystander.run("SELECT * FROM t");
    expect(kOthers, answer());
  }
  EXPECT_EQ(::umount2(other.c_str(), MNT_DETACH), 0);
}

TEST_F(DatabaseUsersTest, AnExclusiveOwnerUnderAnotherName) {
  if (::geteuid() != 0) GTEST_SKIP() << "what it has open cannot be seen";
  make("wal");
  RemoteSqlite dead(path_);
  dead.run("INSERT INTO t VALUES (2)");
  dead.kill();
  const std::string other = directory_.file("other.db");
  fs::create_hard_link(path_, other);
  RemoteSqlite owner(other);
  owner.run("PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t VALUES (2)");
  expect(kOthers, answer());
}

TEST_F(DatabaseUsersTest, AWriterWithAJournalUnderAnotherName) {
  make("delete");
  const std::string other = directory_.file("other.db");
  fs::create_hard_link(path_, other);
  RemoteSqlite owner(other);
  owner.run(spill("delete"));
  expect(kOthers, answer());
  // And an active one here, of an owner that is dead.
  fs::copy_file(other + "-journal", path_ + "-journal");
  expect(kOthers, answer());
}

TEST_F(DatabaseUsersTest, AnOwnerWhoseDatabaseWasRenamed) {
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("INSERT INTO t VALUES (2)");
  const std::string moved = directory_.file("moved.db");
  fs::rename(path_, moved);
  expect(kOthers, answer_for(moved));
  RemoteSqlite bystander(moved);
  bystander.run("SELECT * FROM t");
  expect(kOthers, answer_for(moved));
}

// The header says nothing of WAL mode.
TEST_F(DatabaseUsersTest, AnOwnerUnderAnotherNameOfAnEncryptedDatabase) {
  make("wal");
  const std::string other = directory_.file("other.db");
  fs::create_hard_link(path_, other);
  RemoteSqlite owner(other);
  owner.run("INSERT INTO t VALUES (2)");
  const UniqueFd main = open_at(AT_FDCWD, path_, O_WRONLY, 0, path_);
  write_all(main.get(), std::as_bytes(std::span("0123456789abcdef", 16)), 0, path_);
  expect(kOthers, answer());
}

TEST_F(DatabaseUsersTest, MoreNamesThanOne) {
  make("delete");
  fs::create_hard_link(path_, directory_.file("other.db"));
  expect(kUnknown, answer());
}

// It is gone at the end; what it has written meanwhile is not.
TEST_F(DatabaseUsersTest, AnOwnerUnderAnotherNameThatGoesMeanwhile) {
  if (!sees_all()) GTEST_SKIP() << "not every process can be seen";
  make("wal");
  RemoteSqlite bystander(path_);
  bystander.run("SELECT * FROM t");
  const std::string other = directory_.file("other.db");
  fs::create_hard_link(path_, other);
  std::optional<RemoteSqlite> elsewhere(std::in_place, other);
  elsewhere->run("INSERT INTO t VALUES (2)");
  LiveFiles files(path_);
  DatabaseUsers users(files);
  static_cast<void>(users.at_start());
  while (test::names_in("/proc/self/task").size() > 1) ::usleep(1000);  // until it has searched
  elsewhere->kill();
  expect(kOthers, users.at_end());
}

// --- Sidecars that were removed under their owner.

TEST_F(DatabaseUsersTest, AnIndexThatWasRemovedAndMadeAnew) {
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("INSERT INTO t VALUES (2)");
  fs::remove(path_ + "-shm");
  expect(kOthers, answer());
  RemoteSqlite reader(path_);
  reader.run("SELECT * FROM t");
  expect(kOthers, answer());
}

// The owner goes on with the one that has lost the name, and has closed before the end.
TEST_F(DatabaseUsersTest, AnIndexThatIsMadeAnewMeanwhile) {
  make("wal");
  LiveFiles files(path_);
  DatabaseUsers users(files);
  std::optional<RemoteSqlite> owner(std::in_place, path_);
  owner->run("INSERT INTO t VALUES (2)");
  static_cast<void>(users.at_start());
  fs::remove(path_ + "-shm");
  RemoteSqlite reader(path_);
  reader.run("SELECT * FROM t");
  owner->kill();
  expect(kOthers, users.at_end());
}

TEST_F(DatabaseUsersTest, AWalThatWasRemovedAndMadeAnew) {
  if (::geteuid() != 0) GTEST_SKIP() << "what a process has open cannot be seen";
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("INSERT INTO t VALUES (2)");
  fs::remove(path_ + "-wal");
  RemoteSqlite reader(path_);
  static_cast<void>(reader.try_run("SELECT * FROM t"));
  expect(kOthers, answer());
}

// --- Owners whose locks the kernel does not know.

TEST_F(DatabaseUsersTest, AnOwnerThatLocksWithFlock) {
  make("delete");
  const Bystander owner([this] {
    if (::flock(open_or_exit(path_, O_RDWR), LOCK_EX) != 0) ::_exit(3);
  });
  expect(kOthers, answer());
}

TEST_F(DatabaseUsersTest, AnOwnerThatLocksWithFlockBesideAReader) {
  make("delete");
  RemoteSqlite reader(path_);
  reader.run("BEGIN; SELECT * FROM t");
  const Bystander owner([this] {
    if (::flock(open_or_exit(path_, O_RDWR), LOCK_EX) != 0) ::_exit(3);
  });
  expect(kOthers, answer());
}

TEST_F(DatabaseUsersTest, AFlockOfAProcessThatMayNotBeLookedInto) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  make("delete");
  fs::permissions(directory_.path(), fs::perms::all);
  fs::permissions(path_, fs::perms::all);
  const Bystander owner([this] {
    if (::flock(open_or_exit(path_, O_RDWR), LOCK_EX) != 0) ::_exit(3);
  });
  EXPECT_EQ(test::in_child([this] {
              test::drop_privileges();
              return answer().verdict == kThese ? 1 : 0;
            }),
            0);
}

// Its first thread has ended: /proc/PID/fd lists nothing, and /proc/PID/task/TID/fd does.
TEST_F(DatabaseUsersTest, AProcessWithoutItsFirstThread) {
  if (!sees_all()) GTEST_SKIP() << "not every process can be seen";
  make("delete");
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe2(ready.data(), O_CLOEXEC), 0);
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    std::thread([&] {
      if (::flock(open_or_exit(path_, O_RDWR), LOCK_EX) != 0) ::_exit(3);
      static_cast<void>(::write(ready[1], "!", 1) == 1);
      while (true) ::pause();
    }).detach();
    // pthread_exit() would unwind the test.
    static_cast<void>(::syscall(SYS_exit, 0));
  }
  char byte = 0;
  EXPECT_EQ(::read(ready[0], &byte, 1), 1);
  while (!test::names_in("/proc/" + std::to_string(pid) + "/fd").empty()) ::usleep(1000);
  expect(kOthers, answer());
  EXPECT_EQ(::kill(pid, SIGKILL), 0);
  EXPECT_EQ(::waitpid(pid, nullptr, 0), pid);
  for (const int fd : ready) EXPECT_EQ(::close(fd), 0);
}

// A transaction that began before the copy and ends after it, by locks that are none of the
// kernel's record locks: they stand while a strategy looks, at neither end of the attempt.
TEST_F(DatabaseUsersTest, LocksThatComeAndGoMeanwhile) {
  make("delete");
  LiveFiles files(path_);
  DatabaseUsers users(files);
  expect(kThese, users.at_start());
  {
    const Bystander owner([this] {
      if (::flock(open_or_exit(path_, O_RDWR), LOCK_EX) != 0) ::_exit(3);
    });
    files.unseen_locks().note(read_unseen_locks(files));
  }
  expect(kOthers, users.at_end());
  for (const bool is_directory : {false, true}) {
    expect(kThese, users.at_start());
    if (is_directory) {
      fs::create_directory(path_ + ".lock");
    } else {
      test::write_text(path_ + ".lock", "");
    }
    files.unseen_locks().note(read_unseen_locks(files));
    fs::remove(path_ + ".lock");
    expect(kOthers, users.at_end());
  }
  expect(kThese, users.at_start());
  files.unseen_locks().note(read_unseen_locks(files));
  expect(kThese, users.at_end());
}

// What was begun for an attempt that failed says nothing of the next one.
TEST_F(DatabaseUsersTest, EachAttemptLooksAnew) {
  make("delete");
  LiveFiles files(path_);
  DatabaseUsers users(files);
  expect(kThese, users.at_start());
  while (test::names_in("/proc/self/task").size() > 1) ::usleep(1000);  // until it has looked
  const Bystander owner([this] {
    if (::flock(open_or_exit(path_, O_RDWR), LOCK_EX) != 0) ::_exit(3);
  });
  static_cast<void>(users.at_start());
  expect(kOthers, users.at_end());
}

TEST_F(DatabaseUsersTest, AFlockThatThisProgramHoldsIsNoOwner) {
  make("delete");
  const UniqueFd held = open_at(AT_FDCWD, path_, O_RDWR, 0, path_);
  ASSERT_EQ(::flock(held.get(), LOCK_EX), 0);
  expect(kThese, answer());
}

class LockFile : public DatabaseUsersTest {
 protected:
  void SetUp() override {
    if (!sees_all()) GTEST_SKIP() << "not every process can be seen";
    make("delete");
  }
  void write_lock_file(const std::string& text) { test::write_text(path_ + ".lock", text); }
};

TEST_F(LockFile, OfALiveOwner) {
  RemoteSqlite owner(path_, "unix-none");
  owner.run("PRAGMA journal_mode=MEMORY; SELECT * FROM t");
  const std::string pid = std::to_string(owner.pid());
  for (const std::string& text : {pid, pid + "\n", "pid: " + pid + " host", "host:" + pid}) {
    write_lock_file(text);
    expect(kOthers, answer());
  }
  // A link that leads nowhere.
  fs::remove(path_ + ".lock");
  fs::create_symlink("localhost:+" + pid, path_ + ".lock");
  expect(kOthers, answer());
}

TEST_F(LockFile, OfAnOwnerThatShowsItsTransaction) {
  RemoteSqlite owner(path_, "unix-none");
  owner.run(spill("delete"));
  write_lock_file(std::to_string(owner.pid()));
  expect(kThese, answer());
}

TEST_F(LockFile, OfAnOwnerThatLocksAsOthersDo) {
  RemoteSqlite owner(path_);
  owner.run("BEGIN; SELECT * FROM t");
  write_lock_file(std::to_string(owner.pid()));
  expect(kThese, answer());
}

TEST_F(LockFile, ThatNamesNoProcess) {
  write_lock_file("");
  expect(kThese, answer());
  RemoteSqlite owner(path_);
  owner.run("SELECT * FROM t");
  expect(kUnknown, answer());
}

TEST_F(LockFile, OfAProcessThatIsDeadOrHasNothingToDoWithIt) {
  RemoteSqlite dead(path_);
  const pid_t pid = dead.pid();
  dead.kill();
  write_lock_file(std::to_string(pid));
  expect(kThese, answer());
  write_lock_file(std::to_string(::getppid()));
  expect(kThese, answer());
}

// --- What writes, and is no process that has a lock.

TEST_F(DatabaseUsersTest, AProcessThatServesAFileSystemFromIt) {
  if (!sees_all()) GTEST_SKIP() << "not every process can be seen";
  if (::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "there is no /dev/fuse";
  make("delete");
  const Bystander server([this] {
    open_or_exit("/dev/fuse", O_RDWR);
    open_or_exit(path_, O_RDWR);
  });
  const auto names_the_server = [&] {
    const UsersAnswer found = answer();
    expect(kUnknown, found);
    EXPECT_NE(found.sentence.find(std::to_string(server.pid())), std::string::npos)
        << found.sentence;
  };
  names_the_server();
  RemoteSqlite reader(path_);
  reader.run("BEGIN; SELECT * FROM t");
  names_the_server();
}

// No process is looked for beside a writer; what was found before it came says nothing of what
// comes after it.
TEST_F(DatabaseUsersTest, TheFirstSearchIsOfTheStartAlone) {
  if (!sees_all()) GTEST_SKIP() << "not every process can be seen";
  if (::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "there is no /dev/fuse";
  make("delete");
  LiveFiles files(path_);
  DatabaseUsers users(files);
  while (test::names_in("/proc/self/task").size() > 1) ::usleep(1000);  // until it has searched
  RemoteSqlite writer(path_);
  writer.run("BEGIN IMMEDIATE");
  expect(kThese, users.at_start());
  writer.stop();
  const Bystander server([this] {
    open_or_exit("/dev/fuse", O_RDWR);
    open_or_exit(path_, O_RDWR);
  });
  expect(kUnknown, users.at_end());
}

// --- What other users and other namespaces hide.

TEST_F(DatabaseUsersTest, LocksOnBothFilesTellWhereDescriptorsCannotBeSeen) {
  if (::geteuid() != 0 || !sees_all()) GTEST_SKIP() << "only root can become another user";
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("SELECT * FROM t");
  fs::permissions(directory_.path(), fs::perms::all);
  for (const char* suffix : {"", "-wal", "-shm"}) fs::permissions(path_ + suffix, fs::perms::all);
  const auto seen_by_another_user = [this](UsersVerdict wanted) {
    return test::in_child([this, wanted] {
      test::drop_privileges();
      const UsersAnswer found = answer();
      if (found.verdict != wanted) std::fprintf(stderr, "%s\n", found.sentence.c_str());
      return found.verdict == wanted ? 0 : 1;
    });
  };
  EXPECT_EQ(seen_by_another_user(kThese), 0);
  const std::string other = directory_.file("other.db");
  fs::create_hard_link(path_, other);
  {
    RemoteSqlite elsewhere(other);
    elsewhere.run("SELECT * FROM t");
    EXPECT_EQ(seen_by_another_user(kOthers), 0);
  }
  fs::remove(other);
  owner.run("PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t VALUES (2)");
  EXPECT_EQ(seen_by_another_user(kUnknown), 0);
}

// A system call that this program may make no more, as in a service with fewer capabilities than
// its owner has.
void give_up_looking_into_others() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) ::_exit(3);
  sets[0].effective &= ~(1U << CAP_SYS_PTRACE);
  sets[0].permitted &= ~(1U << CAP_SYS_PTRACE);
  if (::syscall(SYS_capset, &header, sets.data()) != 0) ::_exit(3);
}

// Its table of descriptors can be listed then, and nothing in it be looked at.
TEST_F(DatabaseUsersTest, AProcessThatMayNotBeLookedIntoIsNotTakenForOneWithoutFiles) {
  if (::geteuid() != 0 || !sees_all()) GTEST_SKIP() << "only root can give up a capability";
  make("wal");
  RemoteSqlite owner(path_);
  owner.run("SELECT * FROM t");
  const std::string other = directory_.file("other.db");
  fs::create_hard_link(path_, other);
  RemoteSqlite elsewhere(other);
  elsewhere.run("SELECT * FROM t");
  const auto wanted = [&] { return platform::wanted_files(LiveFiles(path_)); };
  const int status = test::in_child([&] {
    give_up_looking_into_others();
    const auto process = platform::process_of(elsewhere.pid(), wanted());
    if (!process || process->is_visible) return 1;
    if (platform::scan_processes(wanted()).unseen == 0) return 2;
    return answer().verdict == kThese ? 3 : 0;
  });
  EXPECT_EQ(status, 0);
  // The rows of /proc/locks still tell.
  elsewhere.stop();
  fs::remove(other);
  EXPECT_EQ(test::in_child([&] {
              give_up_looking_into_others();
              return answer().verdict == kThese ? 0 : 1;
            }),
            0);
}

// What a container sees: no process but its own, and a lock that names none.
int in_another_pid_namespace(const std::function<int()>& work) {
  return test::in_child([&] {
    if (::unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) return 77;
    return test::in_child([&] {
      if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
      if (::mount("proc", "/proc", "proc", 0, nullptr) != 0) return 77;
      return work();
    });
  });
}

TEST_F(DatabaseUsersTest, OwnersInAnotherPidNamespaceAreNotSeen) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a namespace";
  make("wal");
  const auto verdict_from_there = [this] {
    return in_another_pid_namespace([this] { return static_cast<int>(answer().verdict); });
  };
  if (verdict_from_there() == 77) GTEST_SKIP() << "no process-id namespaces here";
  EXPECT_EQ(verdict_from_there(), static_cast<int>(kThese)) << "nothing has it open";
  RemoteSqlite owner(path_);
  owner.run("SELECT * FROM t");
  EXPECT_EQ(verdict_from_there(), static_cast<int>(kUnknown));
  owner.run("PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t VALUES (2)");
  EXPECT_EQ(verdict_from_there(), static_cast<int>(kUnknown));
  fs::remove(path_ + "-shm");
  owner.stop();
  const std::string other = directory_.file("other.db");
  fs::create_hard_link(path_, other);
  RemoteSqlite elsewhere(other);
  elsewhere.run("SELECT * FROM t");
  EXPECT_EQ(verdict_from_there(), static_cast<int>(kOthers)) << "SHARED, and nothing on the -shm";
}

// An owner that sqlbk's own namespace holds: EXCLUSIVE is of one process alone.
TEST_F(DatabaseUsersTest, AnExclusiveOwnerInTheSameNamespaceIsSeen) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a namespace";
  make("wal");
  const int verdict = in_another_pid_namespace([this] {
    RemoteSqlite owner(path_);
    owner.run("PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t VALUES (2)");
    return static_cast<int>(answer().verdict);
  });
  if (verdict == 77) GTEST_SKIP() << "no process-id namespaces here";
  EXPECT_EQ(verdict, static_cast<int>(kThese));
}

// Inode numbers repeat: a lock on the file of that number on another file system is none on this.
TEST_F(DatabaseUsersTest, LocksOnAnotherFileSystemsFileOfThisNumber) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can mount";
  std::array<std::string, 2> mounts{directory_.file("one"), directory_.file("two")};
  for (const std::string& mount : mounts) {
    fs::create_directory(mount);
    ASSERT_EQ(::mount("none", mount.c_str(), "tmpfs", 0, "size=4m"), 0);
    make_at(mount + "/source.db", "wal");
  }
  const std::string here = mounts[0] + "/source.db";
  const std::string there = mounts[1] + "/source.db";
  ASSERT_EQ(test::inode_of(here), test::inode_of(there));
  {
    RemoteSqlite owner(there);
    owner.run("BEGIN; SELECT * FROM t");
    const LiveFiles files(here);
    EXPECT_TRUE(list_locks(files).empty());
    expect(kThese, answer_for(here));
    if (sees_all()) {
      RemoteSqlite own(here);
      own.run("BEGIN; SELECT * FROM t");
      expect(kThese, answer_for(here));
    }
  }
  for (const std::string& mount : mounts) EXPECT_EQ(::umount2(mount.c_str(), MNT_DETACH), 0);
}

// --- The journal of a writer.

TEST_F(DatabaseUsersTest, TheJournalOfAWriterIsOpenInIt) {
  if (!sees_all()) GTEST_SKIP() << "not every process can be seen";
  make("delete");
  const auto journal = [this] {
    LiveFiles files(path_);
    const LockState locks = lock_state(files);
    return locks.writer ? std::optional(journal_of_writer(files, *locks.writer)) : std::nullopt;
  };
  {
    RemoteSqlite owner(path_);
    owner.run("PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t VALUES (2)");
    EXPECT_EQ(journal(), WriterJournal::open);
    owner.run("PRAGMA journal_mode=OFF; INSERT INTO t VALUES (3)");
    EXPECT_EQ(journal(), WriterJournal::not_open);
  }
  {
    // Some versions close the file in EXCLUSIVE mode, others go on writing to it.
    RemoteSqlite owner(path_);
    owner.run("PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t VALUES (2)");
    owner.run(spill("memory"));
    const bool is_active = test::read_file(path_ + "-journal").at(0) != std::byte{0};
    EXPECT_EQ(journal(), is_active ? WriterJournal::open : WriterJournal::not_open);
  }
  test::write_text(path_ + "-journal", std::string(512, '\0'));
  {
    RemoteSqlite owner(path_);
    owner.run(spill("memory"));
    EXPECT_EQ(journal(), WriterJournal::not_open) << "the journal that lies there is another's";
  }
  {
    RemoteSqlite owner(path_, "open-file-locks");
    owner.run("BEGIN EXCLUSIVE");
    EXPECT_EQ(journal(), WriterJournal::unseen);
  }
}

}  // namespace
}  // namespace sqlbk
