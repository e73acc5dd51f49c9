// Every wrapper, and a mover alone, while the source lives: resets of the WAL, owners that leave,
// files that are replaced, all at chosen moments of the copy. What a strategy has to do follows
// from its traits.

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <optional>
#include <span>
#include <tuple>
#include <unistd.h>

#include <gtest/gtest.h>

#include "files.hpp"
#include "kit/checker.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "process.hpp"
#include "sqlbk/core/locks.hpp"
#include "strategy/ofd_lock.hpp"
#include "support/hook_mover.hpp"
#include "support/looks.hpp"
#include "support/owner.hpp"
#include "support/run_copy.hpp"
#include "support/source_files.hpp"
#include "support/unseen_owner.hpp"

namespace sqlbk::copy {
namespace {

namespace fs = std::filesystem;
using test::floor_of;
using test::Hooks;
using test::Outcome;
using test::Owner;
using test::OwnerState;

class LiveSource : public ::testing::Test {
 protected:
  void make_database(kit::JournalMode mode, std::uint64_t seed = 1) {
    kit::DatabaseOptions options;
    options.size_mb = 1;
    options.journal_mode = mode;
    options.seed = seed;
    kit::create_database(source_, options);
  }
  Outcome copy(const std::string& spec, const Hooks& hooks, const CopyOptions& options = {},
               Deadline deadline = Deadline::after(std::chrono::minutes(2))) {
    CopyRequest request = test::request_of(source_, copy_, spec);
    request.copy = options;
    if (options.form == ImageForm::main_and_wal) request.journal_mode = JournalMode::keep;
    return test::run_request(request, test::hooked_registry(hooks), deadline);
  }
  bool is_wal(const MoveJob& job) const { return job.in_path == source_ + "-wal"; }
  static StrategyTraits traits_of(const std::string& spec) {
    return test::hooked_registry({}).strategy(spec)->traits();
  }
  // After a copy that may also fail, as one without a promise.
  void expect_good_or_refused(const std::string& spec, const Outcome& outcome,
                              std::span<const kit::Committed> floor) const {
    if (!outcome.ok()) {
      EXPECT_TRUE(traits_of(spec).is_mover) << outcome.explain();
      EXPECT_EQ(outcome.exit_code(), 4) << outcome.explain();
      EXPECT_EQ(test::leftovers(copy_, {}), "");
      return;
    }
    const kit::CheckResult result = kit::check_copy(copy_, floor);
    EXPECT_TRUE(result.good()) << result.explain() << '\n' << outcome.explain();
  }

  kit::TemporaryDirectory source_directory_;
  kit::TemporaryDirectory copy_directory_;
  std::string source_ = source_directory_.file("source.db");
  std::string copy_ = copy_directory_.file("copy.db");
};

class EveryStrategy : public LiveSource, public ::testing::WithParamInterface<std::string> {};
class EveryLocker : public LiveSource, public ::testing::WithParamInterface<std::string> {};

std::string name_of(const ::testing::TestParamInfo<std::string>& test) {
  return test::test_name(test.param);
}

INSTANTIATE_TEST_SUITE_P(Strategies, EveryStrategy,
                         ::testing::ValuesIn(test::hooked_strategies(test::any_strategy)), name_of);
INSTANTIATE_TEST_SUITE_P(Strategies, EveryLocker,
                         ::testing::ValuesIn(test::hooked_strategies(test::takes_locks)), name_of);

// --- Files that are another database's, or nobody's.

// Who comes after that locks in the new one, and checkpoints past the lock in the old one. Two
// indexes are in use then, for as long as both programs live.
TEST_P(EveryStrategy, AnIndexThatIsReplacedMeanwhileDoesNotTearTheCopy) {
  make_database(kit::JournalMode::wal);
  Owner owner({[this](OwnerState& state) {
    state.open(source_, "PRAGMA wal_autocheckpoint=0");
    state.commit(1);  // few pages: those of the others are not hidden by it
  }});
  owner->run(0);
  Owner next({[this](OwnerState& state) {
    state.open(source_, "PRAGMA wal_autocheckpoint=0");
    state.commit(20);
    state.connection->execute("PRAGMA wal_checkpoint(PASSIVE)");
  }});
  bool replaced = false;
  Hooks hooks;
  hooks.middle = [&](const MoveJob& job, RunContext&) {
    if (replaced || job.in_path != source_) return;
    replaced = true;
    fs::remove(source_ + "-shm");
    next->run(0);
  };
  const Outcome outcome =
      copy(GetParam(), hooks, {}, Deadline::after(std::chrono::milliseconds(500)));
  EXPECT_TRUE(replaced);
  EXPECT_EQ(outcome.exit_code(), 4) << outcome.explain();
  EXPECT_EQ(test::leftovers(copy_, {}), "");
}

// Its frames are gone, main is that of an earlier commit, or of half a backfill.
TEST_P(EveryStrategy, AWalThatIsEmptiedUnderItsOwnerIsNotAnEmptyWal) {
  make_database(kit::JournalMode::wal);
  Owner owner({[this](OwnerState& state) {
    state.open(source_, "PRAGMA wal_autocheckpoint=0");
    state.commit(10);
  }});
  owner->run(0);
  for (const std::uintmax_t size : {20U, 0U}) {
    SCOPED_TRACE(size);
    fs::resize_file(source_ + "-wal", size);
    const Outcome outcome =
        copy(GetParam(), {}, {}, Deadline::after(std::chrono::milliseconds(300)));
    ASSERT_FALSE(outcome.ok()) << outcome.explain();
    EXPECT_EQ(outcome.exit_code(), 4) << outcome.explain();
  }
}

// A dead owner's, of a file that has another name by which it was changed since.
TEST_P(EveryStrategy, AWalThatIsLeftBesideAnotherNameIsNotTakenForThatInUse) {
  make_database(kit::JournalMode::wal);
  {
    Owner dead({[this](OwnerState& state) {
      state.open(source_, "PRAGMA wal_autocheckpoint=0");
      state.commit(10);
      state.connection->execute("PRAGMA wal_checkpoint(PASSIVE)");
    }});
    dead->run(0);
  }
  ASSERT_GT(fs::file_size(source_ + "-wal"), 0U);
  const std::string other_name = source_directory_.file("other.db");
  fs::create_hard_link(source_, other_name);
  Owner owner({[&](OwnerState& state) {
    state.open(other_name, "PRAGMA wal_autocheckpoint=0");
    state.commit(10);
    state.connection->execute("PRAGMA wal_checkpoint(PASSIVE)");
  }});
  owner->run(0);
  const Outcome outcome = copy(GetParam(), {}, {}, Deadline::after(std::chrono::milliseconds(300)));
  ASSERT_FALSE(outcome.ok()) << outcome.explain();
  EXPECT_EQ(outcome.exit_code(), 4) << outcome.explain();
}

// As above, with an owner who lets nobody in: its lock does not say where its -wal is.
TEST_P(EveryStrategy, AWalThatIsLeftBesideAnotherNameIsNotAnExclusiveOwners) {
  for (const bool is_empty : {false, true}) {
    const std::string dead_path = source_directory_.file(is_empty ? "empty.db" : "dead.db");
    kit::DatabaseOptions options;
    options.size_mb = 1;
    options.journal_mode = kit::JournalMode::wal;
    kit::create_database(dead_path, options);
    {
      Owner dead({[&](OwnerState& state) {
        state.open(dead_path, "PRAGMA wal_autocheckpoint=0");
        state.commit(10);
        state.connection->execute("PRAGMA wal_checkpoint(PASSIVE)");
      }});
      dead->run(0);
    }
    fs::remove(dead_path + "-shm");
    if (is_empty) fs::resize_file(dead_path + "-wal", 0);
    const std::string other_name = dead_path + ".other";
    fs::create_hard_link(dead_path, other_name);
    Owner owner({[&](OwnerState& state) {
      state.open(other_name, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA wal_autocheckpoint=0");
      state.commit(10);
      state.connection->execute("PRAGMA wal_checkpoint(PASSIVE)");
      state.commit(1);
    }});
    owner->run(0);
    const CopyRequest request = test::request_of(dead_path, copy_, GetParam());
    const Outcome outcome = test::run_request(request, test::hooked_registry({}),
                                              Deadline::after(std::chrono::milliseconds(300)));
    ASSERT_FALSE(outcome.ok()) << outcome.explain();
    EXPECT_EQ(outcome.exit_code(), 4) << outcome.explain();
  }
}

// A reader who may not write the -shm holds SHARED on main and takes no DMS lock
// (walBeginShmUnreliable()).
TEST_P(EveryStrategy, AReaderWithoutRightsIsNotTakenForAnOwnerElsewhere) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  make_database(kit::JournalMode::wal);
  {
    Owner dead({[this](OwnerState& state) {
      state.open(source_, "PRAGMA wal_autocheckpoint=0");
      state.commit(10);
    }});
    dead->run(0);
  }
  fs::permissions(source_directory_.path(), fs::perms(0755));
  for (const char* suffix : {"", "-wal", "-shm"})
    fs::permissions(source_ + suffix, fs::perms(0644));
  Owner reader({[this](OwnerState& state) {
    test::drop_privileges();
    state.connection.emplace(source_, sqlite::OpenMode::read_only);
    state.connection->execute("BEGIN");
    static_cast<void>(state.connection->integer("SELECT count(*) FROM account"));
  }});
  reader->run(0);
  const LiveFiles files(source_);
  const LockState locks = lock_state(files);
  if (!locks.shared || locks.dms) GTEST_SKIP() << "this SQLite locks in another way";
  const Outcome outcome = copy(GetParam(), {}, {}, Deadline::after(std::chrono::milliseconds(500)));
  if (traits_of(GetParam()).takes_locks) {
    EXPECT_TRUE(outcome.ok() || outcome.exit_code() == 4) << outcome.explain();
    return;
  }
  ASSERT_TRUE(outcome.ok()) << outcome.explain();
  EXPECT_TRUE(kit::check_copy(copy_, floor_of(10)).good());
}

// Another copy holds a reader's lock, and keeps nobody else from copying.
TEST_P(EveryStrategy, AnotherCopyIsNoOwner) {
  make_database(kit::JournalMode::wal);
  ASSERT_FALSE(fs::exists(source_ + "-wal"));
  const LiveFiles other(source_);
  const SharedLock held(other);
  const Outcome outcome = copy(GetParam(), {});
  if (!outcome.ok()) {
    // It has no owner: not for those who need one.
    EXPECT_EQ(outcome.error->code(), Errc::unsuitable) << outcome.explain();
    return;
  }
  EXPECT_EQ(outcome.report.attempts, 1U) << outcome.explain();
  EXPECT_TRUE(kit::check_copy(copy_).good());
}

// Its first transaction is so long that main is written before page 1 is.
TEST_P(EveryStrategy, ADatabaseThatIsBeingCreatedIsEmptyUntilThen) {
  test::write_text(source_, "");
  std::optional<Owner> owner;
  owner.emplace(std::vector<test::OwnerTask>{[this](OwnerState& state) {
    state.open(source_, "PRAGMA cache_size=5");
    state.connection->execute(
        "BEGIN; CREATE TABLE t(a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
        "WHERE i < 300) INSERT INTO t SELECT zeroblob(900) FROM n");
  }});
  (*owner)->run(0);
  ASSERT_EQ(test::bytes_of(source_).substr(0, 16), std::string(16, '\0'));
  for (const bool alive : {true, false}) {
    if (!alive) owner.reset();  // killed
    const Outcome outcome =
        copy(GetParam(), {}, {}, Deadline::after(std::chrono::milliseconds(500)));
    if (!outcome.ok()) {
      EXPECT_EQ(outcome.exit_code(), 4) << outcome.explain();
      EXPECT_TRUE(alive || outcome.error->code() == Errc::unsuitable) << outcome.explain();
      continue;
    }
    EXPECT_EQ(outcome.report.verdict, Verdict::recovered);
    EXPECT_EQ(fs::file_size(copy_), 0U) << "as SQLite rolls it back";
    fs::remove(copy_);
  }
}

// --- Owners whose locks the kernel does not know: what they do shows in their journal alone.

// At each look at a sidecar in turn half a transaction reaches main, and waits there.
TEST_P(EveryStrategy, AJournalThatComesBetweenTwoLooksIsNotMissed) {
  for (const std::string sidecar : {"-wal", "-journal"}) {
    int last = 0;
    for (int nth = 0; nth <= last; ++nth) {
      make_database(kit::JournalMode::delete_file);
      test::UnseenOwner owner(source_,
                              {"PRAGMA synchronous=OFF; PRAGMA cache_size=5; SELECT 1 FROM account",
                               "BEGIN; UPDATE account SET balance = balance + 1"});
      owner.run(0);
      test::WatchedLooks watched(sidecar);
      test::looks.act_before = nth;
      test::looks.act = [&owner] { owner.run(1); };
      const Outcome outcome = copy(
          GetParam(), {}, {}, Deadline::after(std::chrono::milliseconds(nth == 0 ? 120'000 : 150)));
      if (nth == 0) last = test::looks.seen;
      if (outcome.ok()) {
        const kit::CheckResult result = kit::check_copy(copy_);
        EXPECT_TRUE(result.good()) << nth << ": " << result.explain() << outcome.explain();
      } else {
        EXPECT_EQ(outcome.exit_code(), 4) << nth << ": " << outcome.explain();
      }
      for (const char* suffix : {"", "-journal"}) fs::remove(source_ + suffix);
      fs::remove(copy_);
    }
    EXPECT_GT(last, 2);
  }
}

// --- A reader on read-lock 0 does not stop a reset of the WAL (consistency-rules, 1.6).

enum class Moment { before_main, in_main, after_main, in_wal, after_wal };

using StrategyAndMoment = std::tuple<std::string, Moment>;

std::string name_of_both(const ::testing::TestParamInfo<StrategyAndMoment>& test) {
  constexpr std::array kNames{"before_main", "in_main", "after_main", "in_wal", "after_wal"};
  return test::test_name(std::get<0>(test.param)) + "_" +
         kNames.at(static_cast<std::size_t>(std::get<1>(test.param)));
}

class WalReset : public LiveSource, public ::testing::WithParamInterface<StrategyAndMoment> {};

TEST_P(WalReset, DuringACopyTearsNothing) {
  // No structured binding: a lambda may not capture one in Clang 14.
  const auto& spec = std::get<0>(GetParam());
  const auto at = std::get<1>(GetParam());
  make_database(kit::JournalMode::wal);
  constexpr int kCommits = 40;
  Owner owner({[this](OwnerState& state) {
                 state.open(source_, "PRAGMA wal_autocheckpoint=0");
                 state.commit(kCommits);
                 // Everything backfilled: the next reader takes read-lock 0.
                 if (state.connection->integer("PRAGMA wal_checkpoint(FULL)") != 0) {
                   throw std::runtime_error("the checkpoint was busy");
                 }
               },
               // Resets the WAL and writes as many frames over the old ones, more than the half
               // that the copy has read.
               [](OwnerState& state) { state.commit(kCommits); }});
  owner->run(0);
  const std::string wal_before = test::bytes_of(source_ + "-wal");
  bool reset = false;
  const auto act_at = [&](Moment moment, bool wal_wanted) {
    return [&, moment, wal_wanted](const MoveJob& job, RunContext&) {
      if (reset || moment != at || is_wal(job) != wal_wanted) return;
      owner->run(1);
      reset = true;
    };
  };
  Hooks hooks;
  const bool in_wal = at == Moment::in_wal || at == Moment::after_wal;
  if (at == Moment::before_main) hooks.before = act_at(Moment::before_main, false);
  if (at == Moment::in_main) hooks.middle = act_at(Moment::in_main, false);
  if (at == Moment::after_main) hooks.after = act_at(Moment::after_main, false);
  if (at == Moment::in_wal) hooks.middle = act_at(Moment::in_wal, true);
  if (at == Moment::after_wal) hooks.after = act_at(Moment::after_wal, true);
  const Outcome outcome = copy(spec, hooks);
  if (!reset) {
    // A strategy that never moves the WAL has nothing to fear from this moment.
    ASSERT_TRUE(in_wal && outcome.ok()) << outcome.explain();
    GTEST_SKIP() << "it does not move the WAL by its mover";
  }
  // What the test is about did happen: another generation over the first bytes of the last one.
  const std::string wal_after = test::bytes_of(source_ + "-wal");
  ASSERT_NE(wal_before.substr(0, 32), wal_after.substr(0, 32));
  expect_good_or_refused(spec, outcome, floor_of(kCommits));
  if (traits_of(spec).takes_locks) {
    EXPECT_EQ(outcome.report.verdict, Verdict::snapshot);
    EXPECT_EQ(outcome.report.attempts, 1U) << outcome.explain();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Moments, WalReset,
    ::testing::Combine(::testing::ValuesIn(test::hooked_strategies(test::any_strategy)),
                       ::testing::Values(Moment::before_main, Moment::in_main, Moment::after_main,
                                         Moment::in_wal, Moment::after_wal)),
    name_of_both);

// --- What goes on beside it.

TEST_P(EveryStrategy, CommitsAndCheckpointsBesideItTearNothing) {
  make_database(kit::JournalMode::wal);
  Owner owner({[this](OwnerState& state) {
                 state.open(source_, "PRAGMA wal_autocheckpoint=0");
                 state.commit(10);
               },
               [](OwnerState& state) {
                 state.commit(10);
                 static_cast<void>(state.connection->integer("PRAGMA wal_checkpoint(PASSIVE)"));
               }});
  owner->run(0);
  int writes = 0;
  Hooks hooks;
  hooks.before = hooks.middle = hooks.after = [&](const MoveJob&, RunContext&) {
    // In the end it lets those in peace who have to try again.
    if (++writes <= 12) owner->run(1);
  };
  expect_good_or_refused(GetParam(), copy(GetParam(), hooks), floor_of(10));
  EXPECT_GE(writes, 2);
}

TEST_P(EveryStrategy, TheWalCanBeKept) {
  if (!traits_of(GetParam()).can_deliver_wal) GTEST_SKIP() << "it cannot deliver a WAL";
  make_database(kit::JournalMode::wal);
  Owner owner({[this](OwnerState& state) {
    state.open(source_, "PRAGMA wal_autocheckpoint=0");
    state.commit(10);
  }});
  owner->run(0);
  CopyOptions options;
  options.form = ImageForm::main_and_wal;
  const Outcome outcome = copy(GetParam(), {}, options);
  ASSERT_TRUE(outcome.ok()) << outcome.explain();
  EXPECT_EQ(test::names_in(copy_directory_.path()),
            (std::vector<std::string>{"copy.db", "copy.db-wal"}));
  EXPECT_EQ(test::bytes_of(copy_), test::bytes_of(source_));
  const kit::CheckResult result = kit::check_copy(copy_, floor_of(10));
  EXPECT_TRUE(result.good()) << result.explain();
}

TEST_P(EveryStrategy, TheOwnerMayLeaveMeanwhile) {
  make_database(kit::JournalMode::wal);
  Owner owner({[this](OwnerState& state) {
                 state.open(source_, "PRAGMA wal_autocheckpoint=0");
                 state.commit(10);
               },
               [](OwnerState& state) { state.close(); }});
  owner->run(0);
  bool left = false;
  Hooks hooks;
  hooks.middle = [&](const MoveJob& job, RunContext&) {
    if (left || is_wal(job)) return;
    owner->run(1);
    left = true;
  };
  const Outcome outcome = copy(GetParam(), hooks);
  ASSERT_TRUE(left) << outcome.explain();
  // What remains may be nothing for a strategy that follows a WAL: there is none any more.
  if (outcome.error && outcome.error->code() == Errc::unsuitable) {
    EXPECT_EQ(test::leftovers(copy_, {}), "");
  } else {
    expect_good_or_refused(GetParam(), outcome, floor_of(10));
  }
  const kit::CheckResult source = kit::check_source(source_, floor_of(10));
  EXPECT_TRUE(source.good()) << source.explain();
}

TEST_P(EveryLocker, AWriterOfARollbackDatabaseWaitsAndThenGoesOn) {
  make_database(kit::JournalMode::delete_file);
  Owner owner({[this](OwnerState& state) {
                 state.open(source_, "");
                 state.commit(5);
               },
               [](OwnerState& state) { state.commit(5); }});
  owner->run(0);
  bool wrote_meanwhile = false;
  Hooks hooks;
  hooks.middle = [&](const MoveJob&, RunContext&) {
    owner->start(1);
    // It wants to commit and cannot: PENDING shows that it waits.
    test::wait_until(
        [&] { return test::holds_write_lock(owner->pid(), source_, kPendingByte, kPendingByte); },
        "the writer to wait");
    wrote_meanwhile = owner->done();
  };
  CopyOptions options;
  options.lock_budget = std::chrono::hours(1);
  const Outcome outcome = copy(GetParam(), hooks, options);
  ASSERT_TRUE(outcome.ok()) << outcome.explain();
  EXPECT_FALSE(wrote_meanwhile);
  owner->wait();
  const kit::CheckResult copied = kit::check_copy(copy_, floor_of(5));
  EXPECT_TRUE(copied.good()) << copied.explain();
  EXPECT_EQ(copied.committed, floor_of(5));
}

// --- A source that is replaced: never a mixture, never the old one as if it were the new.

class Replaced : public LiveSource, public ::testing::WithParamInterface<StrategyAndMoment> {};

TEST_P(Replaced, ByRenameGivesTheNewSourceOrNone) {
  const auto& spec = std::get<0>(GetParam());
  const auto at = std::get<1>(GetParam());
  make_database(kit::JournalMode::delete_file, 1);
  const std::string old_bytes = test::bytes_of(source_);
  const std::string other = source_directory_.file("other.db");
  kit::DatabaseOptions options;
  options.size_mb = 2;
  options.seed = 2;
  options.journal_mode = kit::JournalMode::delete_file;
  kit::create_database(other, options);
  const std::string new_bytes = test::bytes_of(other);
  bool replaced = false;
  const auto replace = [&](const MoveJob&, RunContext&) {
    if (!replaced) fs::rename(other, source_);
    replaced = true;
  };
  Hooks hooks;
  if (at == Moment::before_main) hooks.before = replace;
  if (at == Moment::in_main) hooks.middle = replace;
  if (at == Moment::after_main) hooks.after = replace;
  const Outcome outcome = copy(spec, hooks);
  if (!outcome.ok()) {
    EXPECT_TRUE(traits_of(spec).is_mover || !replaced) << outcome.explain();
    EXPECT_EQ(outcome.exit_code(), 4) << outcome.explain();
    EXPECT_EQ(test::leftovers(copy_, {}), "");
    return;
  }
  ASSERT_TRUE(replaced);
  EXPECT_TRUE(test::bytes_of(copy_) == new_bytes)
      << (test::bytes_of(copy_) == old_bytes ? "the old source" : "neither of them");
}

INSTANTIATE_TEST_SUITE_P(
    Moments, Replaced,
    ::testing::Combine(::testing::ValuesIn(test::hooked_strategies(test::any_strategy)),
                       ::testing::Values(Moment::before_main, Moment::in_main, Moment::after_main)),
    name_of_both);

TEST_P(EveryStrategy, AFileThatAppearsAsItsWalIsNotMissed) {
  make_database(kit::JournalMode::delete_file);
  const std::string bytes = test::bytes_of(source_);
  // SHARED keeps SQLite from entering WAL mode: only somebody without locks does this. SQLite takes
  // such a file for an empty WAL.
  int times = 0;
  Hooks hooks;
  hooks.after = [&](const MoveJob&, RunContext&) {
    if (++times == 1) test::write_bytes(source_ + "-wal", std::string(4, 'x'));
  };
  const Outcome outcome = copy(GetParam(), hooks);
  if (times == 0) GTEST_SKIP() << "it does not copy a database without a WAL";
  if (outcome.ok()) {
    EXPECT_GE(times, 2) << outcome.explain();
    EXPECT_EQ(test::bytes_of(copy_), bytes);
  } else {
    EXPECT_EQ(outcome.exit_code(), 4) << outcome.explain();
    EXPECT_EQ(test::leftovers(copy_, {}), "");
  }
}

// --- What must not be opened, or not be locked.

TEST_P(EveryLocker, AHotJournalIsRefusedAndNotRolledBack) {
  make_database(kit::JournalMode::delete_file);
  {
    Owner owner({[this](OwnerState& state) {
      state.open(source_, "PRAGMA cache_size=5; PRAGMA cache_spill=1");
      state.commit(3);
      state.connection->execute("BEGIN; UPDATE account SET balance = balance + 1");
    }});
    owner->run(0);
    ASSERT_TRUE(fs::exists(source_ + "-journal"));
  }  // killed
  const test::SeenSource before = test::look_at_source(source_);
  const Outcome outcome = copy(GetParam(), {});
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error->code(), Errc::unsuitable) << outcome.explain();
  EXPECT_EQ(test::difference(before, test::look_at_source(source_), true), "");
}

TEST_P(EveryLocker, AnExclusiveOwnerIsNotDisturbed) {
  make_database(kit::JournalMode::wal);
  Owner owner({[this](OwnerState& state) {
    state.open(source_, "PRAGMA locking_mode=EXCLUSIVE");
    state.commit(3);
  }});
  owner->run(0);
  const test::SeenSource before = test::look_at_source(source_);
  const Outcome outcome =
      copy(GetParam(), {}, {}, Deadline::after(std::chrono::milliseconds(200)));  // it stays there
  EXPECT_EQ(outcome.exit_code(), 4) << outcome.explain();
  EXPECT_EQ(test::difference(before, test::look_at_source(source_), true), "");
}

// --- The locks of this process (the descriptor rule).

class Locks : public LiveSource,
              public ::testing::WithParamInterface<std::tuple<std::string, kit::JournalMode>> {};

TEST_P(Locks, OnTheSourceAreHeldThroughoutWhateverIsOpenedAndClosed) {
  const auto& spec = std::get<0>(GetParam());
  const auto mode = std::get<1>(GetParam());
  make_database(mode);
  Owner owner({[this](OwnerState& state) {
    state.open(source_, "");
    state.commit(3);
  }});
  owner->run(0);
  EXPECT_TRUE(test::own_locks_on(source_).empty());
  int looks = 0;
  const auto look = [&](const MoveJob&, RunContext& context) {
    ++looks;
    const std::vector<std::string> locks = test::own_locks_on(source_);
    // SHARED on main, on all its bytes by SQLite, on the first one as a lock of the open file.
    const std::string first = " " + std::to_string(kSharedFirstByte) + "-";
    EXPECT_TRUE(std::ranges::any_of(
        locks, [&](const std::string& lock) { return lock.find(first) != std::string::npos; }))
        << "look " << looks;
    {
      LiveFiles again(source_);
      static_cast<void>(probe_source(again));
    }
    EXPECT_EQ(test::own_locks_on(source_), locks) << "look " << looks;
    context.on_host([this] {
      LiveFiles on_the_host_side(source_);
      static_cast<void>(probe_source(on_the_host_side));
    });
    EXPECT_EQ(test::own_locks_on(source_), locks) << "look " << looks;
  };
  Hooks hooks;
  hooks.before = hooks.middle = hooks.after = look;
  const Outcome outcome = copy(spec, hooks);
  ASSERT_TRUE(outcome.ok()) << outcome.explain();
  EXPECT_GE(looks, 3);
  EXPECT_TRUE(test::own_locks_on(source_).empty());
}

INSTANTIATE_TEST_SUITE_P(
    Modes, Locks,
    ::testing::Combine(::testing::ValuesIn(test::hooked_strategies(test::takes_locks)),
                       ::testing::Values(kit::JournalMode::wal, kit::JournalMode::delete_file,
                                         kit::JournalMode::persist)),
    [](const ::testing::TestParamInfo<Locks::ParamType>& test) {
      return test::test_name(std::get<0>(test.param)) + "_" +
             std::string(to_string(std::get<1>(test.param)));
    });

}  // namespace
}  // namespace sqlbk::copy
