// lock: which locks it holds and when, and the sources whose state its locks would not hold.
#include "strategy/lock.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <signal.h>
#include <sys/stat.h>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "errors.hpp"
#include "kit/checker.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "register_movers.hpp"
#include "scoped_sys.hpp"
#include "sqlbk/core/locks.hpp"
#include "sqlbk/format/wal_index.hpp"
#include "strategy/lock_budget.hpp"
#include "strategy/locked_copy.hpp"
#include "strategy/ofd_lock.hpp"
#include "strategy/wal_read_lock.hpp"
#include "support/looks.hpp"
#include "support/strategy_test.hpp"
#include "support/unseen_owner.hpp"
#include "test_context.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using test::Hooks;
using test::Outcome;
using test::Owner;
using test::OwnerState;
using test::OwnerTask;

class Lock : public test::StrategyTest {
 protected:
  Outcome copy(const Hooks& hooks = {}, Deadline deadline = Deadline::after(120s)) {
    return copy_from(source_, hooks, deadline);
  }
  Outcome copy_from(const std::string& source, const Hooks& hooks, Deadline deadline) {
    return test::run_request(test::request_of(source, copy_),
                             test::hooked_strategy(make_lock_strategy, hooks), deadline);
  }
  void expect_good(const Outcome& outcome) { expect_copied(outcome, Verdict::snapshot); }
  // For sources that nobody will let go.
  static Deadline soon() { return Deadline::after(150ms); }
};

// --- The files.

// At each look at it in turn a -wal comes, and all that is committed in it goes into main while
// that is copied; the clock that stamps files stands still.
TEST_F(Lock, AWalThatComesBetweenTwoLooksIsNotMissed) {
  test::WatchedLooks watched("-wal");
  watched.sys()->fstat = [](int fd, struct stat* out) {
    const int result = real_sys().fstat(fd, out);
    out->st_mtim = out->st_ctim = {};
    return result;
  };
  int last = 1;
  for (int nth = 0; nth <= last; ++nth) {
    make(kit::JournalMode::wal);
    Owner owner(
        {[this](OwnerState& state) {
           state.open(source_, "PRAGMA wal_autocheckpoint=0");
           static_cast<void>(state.connection->integer("SELECT count(*) FROM sqlite_schema"));
         },
         [](OwnerState& state) {
           state.commit(1);
           state.connection->execute("PRAGMA busy_timeout=0; PRAGMA wal_checkpoint(TRUNCATE)");
           state.close();
         }});
    bool has_come = false;
    bool has_gone = false;
    test::looks.seen = 0;
    test::looks.act_before = nth;
    test::looks.act = [&] {
      owner->run(0);
      has_come = true;
    };
    Hooks hooks;
    hooks.middle = [&](const MoveJob&, RunContext&) {
      if (has_come && !has_gone) owner->run(1);
      has_gone = has_come;
    };
    const Outcome outcome = copy(hooks, nth == 0 ? Deadline::after(120s) : soon());
    if (nth == 0) last = test::looks.seen;
    if (outcome.ok()) {
      const kit::CheckResult result = kit::check_copy(copy_, {});
      EXPECT_TRUE(result.good()) << nth << ": " << result.explain() << outcome.explain();
    } else {
      EXPECT_EQ(outcome.exit_code(), 4) << nth << ": " << outcome.explain();
    }
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(source_ + suffix);
    fs::remove(copy_);
  }
  EXPECT_GT(last, 2);
}

// --- The locks.

class HeldLocks : public Lock, public ::testing::WithParamInterface<kit::JournalMode> {};

INSTANTIATE_TEST_SUITE_P(Modes, HeldLocks,
                         ::testing::Values(kit::JournalMode::wal, kit::JournalMode::delete_file),
                         [](const ::testing::TestParamInfo<kit::JournalMode>& test) {
                           return std::string(to_string(test.param));
                         });

TEST_P(HeldLocks, AreThoseOfAReaderDuringTheCopyAndNoneAfter) {
  make(GetParam());
  Owner owner({open()});
  owner->run(0);
  const auto range = [](std::uint64_t first, std::uint64_t size) {
    return " " + std::to_string(first) + "-" + std::to_string(first + size - 1);
  };
  int looks = 0;
  Hooks hooks;
  hooks.before = hooks.middle = hooks.after = [&](const MoveJob&, RunContext&) {
    ++looks;
    std::vector<std::string> wanted{range(kCopySharedByte, 1)};
    const std::vector<std::string> locks = test::own_locks_on(source_);
    EXPECT_EQ(locks.size(), GetParam() == kit::JournalMode::wal ? 3U : 1U);
    wanted.push_back(range(format::kWalDmsLockByte, 1));
    // That of a mark, or READ_LOCK(0).
    for (std::uint64_t i = 0; i < 5; ++i) {
      wanted.push_back(range(format::kWalReadLock0Byte + i, 1));
    }
    for (const std::string& lock : locks) {
      EXPECT_TRUE(lock.starts_with("OFDLCK READ")) << lock;
      EXPECT_TRUE(std::ranges::any_of(wanted, [&](const auto& end) { return lock.ends_with(end); }))
          << lock;
    }
  };
  expect_good(copy(hooks));
  EXPECT_GE(looks, 3);
  EXPECT_EQ(test::own_locks_on(source_), std::vector<std::string>());
  // Nor after a failure in the middle.
  Hooks failing;
  failing.middle = [](const MoveJob&, RunContext&) { throw Error(Errc::io_error, "as told"); };
  fs::remove(copy_);
  EXPECT_FALSE(copy(failing).ok());
  EXPECT_EQ(test::own_locks_on(source_), std::vector<std::string>());
}

TEST_P(HeldLocks, AreNotToBeHadFromAnExclusiveOwner) {
  make(GetParam());
  Owner owner({open("PRAGMA locking_mode=EXCLUSIVE")});
  owner->run(0);
  const test::SeenSource before = test::look_at_source(source_);
  expect_refused(copy({}, soon()), Errc::source_busy);
  EXPECT_EQ(test::difference(before, test::look_at_source(source_), true), "");
}

TEST_P(HeldLocks, AreWaitedFor) {
  make(GetParam());
  // A lock on main itself: in WAL mode nobody but an EXCLUSIVE owner has it.
  Owner owner({open("PRAGMA locking_mode=EXCLUSIVE"), [](OwnerState& state) { state.close(); }});
  owner->run(0);
  expect_refused(copy({}, soon()), Errc::source_busy);
  owner->start(1);
  expect_good(copy());
  owner->wait();
}

TEST_F(Lock, AWriterWhoIsAboutToWriteLetsNoNewReaderIn) {
  make(kit::JournalMode::delete_file);
  Owner reader({[this](OwnerState& state) {
    state.connection.emplace(source_, sqlite::OpenMode::read_only);
    state.connection->execute("BEGIN");
    static_cast<void>(state.connection->integer("SELECT count(*) FROM account"));
  }});
  Owner owner({open(), [](OwnerState& state) {
                 state.connection->execute("PRAGMA busy_timeout=0; BEGIN");
                 state.connection->execute("UPDATE account SET balance = balance + 1 WHERE id = 1");
                 try {
                   state.connection->execute("COMMIT");
                 } catch (const Error&) {
                   return;  // holds PENDING, waiting for the reader
                 }
                 throw std::runtime_error("it did not have to wait");
               }});
  owner->run(0);
  reader->run(0);
  owner->run(1);
  expect_refused(copy({}, soon()), Errc::source_busy);
}

TEST_F(Lock, AWriteTransactionOfThisProgramIsNamedAsTheReason) {
  make(kit::JournalMode::delete_file);
  sqlite::Connection own(source_, sqlite::OpenMode::read_write);
  own.execute("BEGIN EXCLUSIVE");
  const Outcome outcome = copy({}, soon());
  expect_refused(outcome, Errc::source_busy);
  EXPECT_NE(std::string(outcome.error->what()).find("this program"), std::string::npos)
      << outcome.error->what();
  own.execute("ROLLBACK");
  EXPECT_TRUE(copy().ok());
}

// --- WAL files whose checkpoints the lock would not stop.

TEST_F(Lock, AWalWithoutAnIndexIsNotLockable) {
  make(kit::JournalMode::wal);
  {
    Owner owner({[this](OwnerState& state) {
      // Before anything is read: it never has an index in a file.
      state.connection.emplace(source_, sqlite::OpenMode::read_write);
      state.connection->execute("PRAGMA locking_mode=EXCLUSIVE");
      state.connection->execute("PRAGMA wal_autocheckpoint=0");
      state.commit(kCommits);
    }});
    owner->run(0);
  }  // killed
  ASSERT_GT(fs::file_size(source_ + "-wal"), 0U);
  ASSERT_FALSE(fs::exists(source_ + "-shm"));
  const test::SeenSource before = test::look_at_source(source_);
  expect_refused(copy(), Errc::unsuitable);
  EXPECT_EQ(test::difference(before, test::look_at_source(source_), true), "");
}

TEST_F(Lock, AnIndexWithoutAnOwnerIsLockable) {
  make(kit::JournalMode::wal);
  {
    Owner owner({open()});
    owner->run(0);
  }  // killed
  Owner next({[this](OwnerState& state) {
    state.open(source_, "PRAGMA wal_autocheckpoint=0");
    state.commit(3);
    // Our lock keeps it out of main, and so from a reset.
    EXPECT_EQ(state.connection->integer("PRAGMA wal_checkpoint(PASSIVE)"), 0);
    state.commit(3);
  }});
  const std::string main = test::bytes_of(source_);
  bool came = false;
  Hooks hooks;
  hooks.middle = [&](const MoveJob&, RunContext&) {
    if (came) return;
    next->run(0);
    came = true;
    EXPECT_TRUE(test::bytes_of(source_) == main);
  };
  expect_good(copy(hooks));
}

// Its owner holds its locks on a file that no path names any more.
TEST_F(Lock, AnIndexThatIsNotTheOwnersProtectsNothing) {
  make(kit::JournalMode::wal);
  Owner owner({open()});
  owner->run(0);
  const std::string shm = test::bytes_of(source_ + "-shm");
  fs::remove(source_ + "-shm");
  expect_refused(copy({}, soon()), Errc::source_busy);
  test::write_bytes(source_ + "-shm", shm);
  expect_refused(copy({}, soon()), Errc::source_busy);
}

TEST_F(Lock, AnIndexThatIsReplacedMeanwhileProtectsNothing) {
  make(kit::JournalMode::wal);
  Owner owner({open()});
  owner->run(0);
  int times = 0;
  Hooks hooks;
  hooks.middle = [&](const MoveJob&, RunContext&) {
    if (++times > 1) return;
    fs::copy_file(source_ + "-shm", source_ + "-other");
    fs::rename(source_ + "-other", source_ + "-shm");
  };
  expect_refused(copy(hooks, soon()), Errc::source_busy);
  EXPECT_GE(times, 1);
}

// The lock stands in the old one, whoever looks at the new one meanwhile.
TEST_F(Lock, AnIndexThatIsReplacedBeforeItIsReadProtectsNothing) {
  make(kit::JournalMode::wal);
  Owner owner({open()});
  owner->run(0);
  LiveFiles files(source_);
  test::TestContext run;
  const SharedLock shared(files);
  const WalReadLock lock(files, run.context);
  const FileStat locked = lock.file();
  fs::copy_file(source_ + "-shm", source_ + "-other");
  fs::rename(source_ + "-other", source_ + "-shm");
  StagedImage image(copy_directory_.path());
  MoverLadder movers;
  movers.push_back(make_plain_mover());
  const CopyOptions options;
  LockedCopy copy(files, image, movers, options, run.context);
  EXPECT_EQ(test::code_of([&] { copy.copy_wal_mode(lock.is_attached(), locked); }),
            Errc::source_changed);
}

// The first attempt finds main replaced once it has judged a WAL, whose position means nothing for
// the database that is copied by the second.
TEST_F(Lock, NothingOfAnAttemptThatWasDiscardedIsInTheReport) {
  make(kit::JournalMode::wal);
  const std::string other = source_directory_.file("other.db");
  kit::create_database(other, {.size_mb = 1, .journal_mode = kit::JournalMode::delete_file});
  std::optional<Owner> owner(std::in_place, std::vector<OwnerTask>{open()});
  (*owner)->run(0);
  bool is_replaced = false;
  Hooks hooks;
  hooks.after = [&](const MoveJob& job, RunContext&) {
    if (is_replaced || !job.in_path.ends_with("-wal")) return;
    is_replaced = true;
    fs::rename(other, source_);
  };
  const auto after_the_first = [&](LogLevel, const std::string&) {
    if (!is_replaced || !owner) return;
    owner.reset();  // by SIGKILL
    for (const char* suffix : {"-wal", "-shm"}) fs::remove(source_ + suffix);
  };
  Progress progress;
  const CancelToken cancel;
  RunContext context(progress, cancel, {.log_sink = after_the_first});
  Report report;
  Pipeline::build(test::request_of(source_, copy_),
                  test::hooked_strategy(make_lock_strategy, hooks))
      .run(context, report);
  EXPECT_TRUE(is_replaced);
  EXPECT_EQ(report.attempts, 2U);
  EXPECT_FALSE(report.wal);
}

TEST_F(Lock, AWalBesideAnotherNameIsNotMissed) {
  make(kit::JournalMode::wal);
  Owner owner({open()});
  owner->run(0);
  ASSERT_GT(fs::file_size(source_ + "-wal"), 0U);
  const std::string link = source_directory_.file("link.db");
  fs::create_hard_link(source_, link);
  expect_refused(copy_from(link, {}, soon()), Errc::source_busy);
}

// Shows main with the times that it had when the copy began: what the kernel does for a write in
// the same tick.
struct stat shown;

int show_times_of_then(int fd, struct stat* out) {
  const int result = ::fstat(fd, out);
  if (out->st_dev != shown.st_dev || out->st_ino != shown.st_ino) return result;
  out->st_mtim = shown.st_mtim;
  out->st_ctim = shown.st_ctim;
  return result;
}

TEST_F(Lock, AWalThatCameAndWasEmptiedIntoMainIsNotMissed) {
  make(kit::JournalMode::wal);
  Owner owner({open(), [](OwnerState& state) { state.close(); }});
  owner->run(0);
  owner->run(1);
  ASSERT_FALSE(fs::exists(source_ + "-wal"));
  Owner visitor({[this](OwnerState& state) {
    state.open(source_, "PRAGMA wal_autocheckpoint=0");
    state.connection->execute("UPDATE account SET balance = balance + 1 WHERE id = 1");
    if (state.connection->integer("PRAGMA wal_checkpoint(TRUNCATE)") != 0) {
      throw std::runtime_error("the checkpoint was refused");
    }
  }});
  ASSERT_EQ(::stat(source_.c_str(), &shown), 0);
  test::ScopedSys patch;
  patch->fstat = show_times_of_then;
  int times = 0;
  Hooks hooks;
  hooks.middle = [&](const MoveJob& job, RunContext&) {
    if (job.in_path != source_ || ++times > 1) return;
    visitor->run(0);
    ASSERT_EQ(fs::file_size(source_ + "-wal"), 0U);
  };
  const Outcome outcome = copy(hooks);
  ASSERT_TRUE(outcome.ok()) << outcome.explain();
  EXPECT_EQ(outcome.report.attempts, 2U);
}

// Its locks are none that the kernel knows, and its index is in its own memory.
TEST_F(Lock, AnEmptyWalThatIsWrittenByAnOwnerThatIsNotSeen) {
  make(kit::JournalMode::wal);
  test::UnseenOwner owner(
      source_, {"PRAGMA locking_mode=EXCLUSIVE; PRAGMA wal_autocheckpoint=0; UPDATE account SET "
                "balance = balance + 1; PRAGMA wal_checkpoint(TRUNCATE)",
                "UPDATE account SET balance = balance - 1; PRAGMA wal_checkpoint(PASSIVE)"});
  owner.run(0);
  ASSERT_EQ(fs::file_size(source_ + "-wal"), 0U);
  test::write_bytes(source_ + "-shm", std::string(32768, '\0'));
  ASSERT_EQ(::stat(source_.c_str(), &shown), 0);
  test::ScopedSys patch;
  patch->fstat = show_times_of_then;
  bool has_written = false;
  Hooks hooks;
  hooks.middle = [&](const MoveJob& job, RunContext&) {
    if (job.in_path != source_ || has_written) return;
    owner.run(1);
    has_written = true;
  };
  const Outcome outcome = copy(hooks);
  EXPECT_TRUE(has_written);
  ASSERT_TRUE(outcome.ok()) << outcome.explain();
  EXPECT_EQ(outcome.report.attempts, 2U) << outcome.explain();
  EXPECT_TRUE(kit::check_copy(copy_).good());
}

// A header without a commit: the next owner begins the generation anew, which needs no checkpoint.
TEST_F(Lock, AWalWithoutACommitThatIsBegunAnewMeanwhile) {
  make(kit::JournalMode::wal);
  {
    Owner owner({[this](OwnerState& state) {
                   state.open(source_, "PRAGMA cache_size=5");
                   state.commit(kCommits);
                   state.close();
                 },
                 [this](OwnerState& state) {
                   state.open(source_, "PRAGMA cache_size=5; PRAGMA wal_autocheckpoint=0");
                   state.connection->execute("BEGIN; UPDATE account SET balance = balance + 1");
                 }});
    owner->run(0);
    owner->run(1);
  }  // killed
  ASSERT_GT(fs::file_size(source_ + "-wal"), 32U);
  const std::string header = test::bytes_of(source_ + "-wal").substr(0, 32);
  Owner next({[this](OwnerState& state) {
    state.open(source_, "PRAGMA wal_autocheckpoint=0");
    state.commit(3);
  }});
  bool came = false;
  Hooks hooks;
  hooks.middle = [&](const MoveJob& job, RunContext&) {
    if (came || job.in_path != source_) return;
    next->run(0);
    came = true;
  };
  const Outcome outcome = copy(hooks);
  expect_good(outcome);
  ASSERT_NE(test::bytes_of(source_ + "-wal").substr(0, 32), header);
  EXPECT_EQ(outcome.report.attempts, 2U) << outcome.explain();
}

// --- Who waits for us, and who only seems to.

// Takes raw locks, as SQLite's would look, and lets them go.
OwnerTask raw_lock(const std::string& path, const std::vector<std::uint64_t>& bytes, short type) {
  return [=](OwnerState&) {
    static int fd = -1;  // of the child; open as long as it lives
    if (fd < 0) fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    for (const std::uint64_t byte : bytes) {
      struct flock lock {};
      lock.l_type = type;
      lock.l_whence = SEEK_SET;
      lock.l_start = static_cast<off_t>(byte);
      lock.l_len = 1;
      if (::fcntl(fd, F_SETLK, &lock) != 0) throw std::runtime_error("cannot lock");
    }
  };
}

class Waiters : public Lock {
 protected:
  Waiters() { make(kit::JournalMode::wal); }
  const std::uint64_t write_ = format::kWalWriteLockByte;
  const std::uint64_t checkpoint_ = format::kWalCheckpointLockByte;
  std::string shm_ = source_ + "-shm";
};

TEST_F(Waiters, AWriterAndACheckpointerOfTwoProcessesDoNotWait) {
  Owner writer({raw_lock(shm_, {write_}, F_WRLCK)});
  Owner checkpointer({raw_lock(shm_, {checkpoint_}, F_WRLCK)});
  Owner owner({open()});
  owner->run(0);
  writer->run(0);
  checkpointer->run(0);
  LiveFiles files(source_);
  const LockedFiles locked{.main_fd = files.fd_of(SourceFile::main),
                           .shm_fd = files.fd_of(SourceFile::shm),
                           .path = source_};
  LockBudget budget(0ms);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(budget.is_spent(locked));
    std::this_thread::sleep_for(1ms);
  }
}

TEST_F(Waiters, OneProcessThatHoldsBothWaitsOnlyIfNobodyCommits) {
  Owner both({raw_lock(shm_, {write_, checkpoint_}, F_WRLCK),
              raw_lock(shm_, {write_, checkpoint_}, F_UNLCK)});
  Owner owner({open(), [](OwnerState& state) { state.commit(1); }});
  owner->run(0);
  LiveFiles files(source_);
  const LockedFiles locked{.main_fd = files.fd_of(SourceFile::main),
                           .shm_fd = files.fd_of(SourceFile::shm),
                           .path = source_};
  LockBudget budget(0ms);
  for (int i = 0; i < 3; ++i) {
    both->run(0);
    EXPECT_FALSE(budget.is_spent(locked)) << "commit " << i;
    both->run(1);
    owner->run(1);
    std::this_thread::sleep_for(1ms);
  }
  both->run(0);
  EXPECT_FALSE(budget.is_spent(locked));
  std::this_thread::sleep_for(1ms);
  EXPECT_TRUE(budget.is_spent(locked));
}

TEST_F(Waiters, ACheckpointerWaitsNoLongerThanTheBudget) {
  Owner owner({open(), [](OwnerState& state) {
                 if (state.connection->integer("PRAGMA wal_checkpoint(TRUNCATE)") != 0) {
                   throw std::runtime_error("the checkpoint was refused");
                 }
               }});
  owner->run(0);
  Hooks hooks;
  hooks.middle = [&](const MoveJob&, RunContext& context) {
    owner->start(1);
    for (const auto end = std::chrono::steady_clock::now() + 120s;
         std::chrono::steady_clock::now() < end;) {
      context.tick();
      std::this_thread::sleep_for(1ms);
    }
  };
  CopyRequest request = test::request_of(source_, copy_);
  request.copy.lock_budget = 50ms;
  const Outcome outcome =
      test::run_request(request, test::hooked_strategy(make_lock_strategy, hooks));
  expect_refused(outcome, Errc::lock_budget_exceeded);
  owner->wait();
}

}  // namespace
}  // namespace sqlbk::copy
