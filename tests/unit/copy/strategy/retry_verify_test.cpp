// retry-verify: what is quiet and still no committed state, what was seen of an owner's journal,
// and when rounds are over. WAL mode is tested with all strategies (scenario_test.cpp).
#include "strategy/retry_verify.hpp"

#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "files.hpp"
#include "kit/checker.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "kit/zero_salt.hpp"
#include "scoped_sys.hpp"
#include "sqlbk/format/journal.hpp"
#include "strategy/convergence.hpp"
#include "support/strategy_test.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using test::Hooks;
using test::Outcome;
using test::Owner;
using test::OwnerState;
using test::OwnerTask;

class RetryVerify : public test::StrategyTest {
 protected:
  // Spills soon.
  OwnerTask open(const std::string& pragmas) {
    return StrategyTest::open("PRAGMA cache_size=5;" + pragmas);
  }
  Outcome copy(const Hooks& hooks = {}, unsigned rounds = 100) {
    CopyRequest request = test::request_of(source_, copy_);
    request.copy.copy_retry = rounds;
    return test::run_request(request, test::hooked_strategy(make_retry_verify_strategy, hooks),
                             Deadline::after(120s));
  }
  void set_mtime(const std::string& path, std::int64_t ns) {
    const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                               {.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
};

// Spills: main holds half of it.
void begin_long(OwnerState& state) {
  state.connection->execute("BEGIN; UPDATE account SET balance = balance + 1");
}
void roll_back(OwnerState& state) {
  state.connection->execute("ROLLBACK");
}

// Acts in the middle of main, once a round. The first round is the mover's; the later ones compare
// main with the copy, and only a system call tells where they are.
std::function<void()> act;
bool is_later_round = false;
struct stat source_stat;

class EveryRound {
 public:
  EveryRound(const std::string& source, std::function<void()> what) {
    act = std::move(what);
    is_later_round = false;
    if (::stat(source.c_str(), &source_stat) != 0) throw std::runtime_error("stat");
    hooks.middle = [source](const MoveJob& job, RunContext&) {
      if (job.in_path == source) act();
    };
    hooks.after = [](const MoveJob&, RunContext&) { is_later_round = true; };
    patch_->pread = [](int fd, void* buffer, std::size_t size, off_t offset) {
      constexpr off_t kMiddle = 1 << 19;
      struct stat found {};
      if (is_later_round && offset == kMiddle && ::fstat(fd, &found) == 0 &&
          found.st_dev == source_stat.st_dev && found.st_ino == source_stat.st_ino) {
        act();
      }
      return ::pread(fd, buffer, size, offset);
    };
  }
  Hooks hooks;

 private:
  test::ScopedSys patch_;
};

struct Mode {
  kit::JournalMode mode;
  const char* pragma;
  bool journals;
};

const Mode kModes[] = {
    {kit::JournalMode::delete_file, "PRAGMA journal_mode=DELETE", true},
    {kit::JournalMode::truncate, "PRAGMA journal_mode=TRUNCATE", true},
    {kit::JournalMode::persist, "PRAGMA journal_mode=PERSIST", true},
    {kit::JournalMode::memory, "PRAGMA journal_mode=MEMORY", false},
    {kit::JournalMode::off, "PRAGMA journal_mode=OFF", false},
};

class EachMode : public RetryVerify, public ::testing::WithParamInterface<Mode> {};

INSTANTIATE_TEST_SUITE_P(JournalModes, EachMode, ::testing::ValuesIn(kModes),
                         [](const ::testing::TestParamInfo<Mode>& test) {
                           return std::string(to_string(test.param.mode));
                         });

TEST_P(EachMode, BesideAnOwnerThatDoesNothingIsAtRest) {
  make(GetParam().mode);
  Owner owner({open(GetParam().pragma)});
  owner->run(0);
  const Outcome outcome = copy();
  expect_copied(outcome, Verdict::at_rest);
  EXPECT_TRUE(outcome.report.assumptions.empty());
  EXPECT_EQ(outcome.report.attempts, 1U);
}

TEST_P(EachMode, AWriterInEveryRoundButTheLastIsNotMissed) {
  make(GetParam().mode);
  Owner owner({open(GetParam().pragma), [](OwnerState& state) { state.commit(1); }});
  owner->run(0);
  int acts = 0;
  const EveryRound round(source_, [&] {
    if (++acts <= 4) owner->run(1);
  });
  const Outcome outcome = copy(round.hooks);
  expect_copied(outcome, Verdict::at_rest);
  EXPECT_EQ(outcome.report.attempts, 5U);
}

// Whatever it looks like, all of it or nothing was committed.
TEST_P(EachMode, AnOwnerInsideASpilledTransactionIsRecoveredOrNotAccepted) {
  make(GetParam().mode);
  Owner owner({open(GetParam().pragma), begin_long});
  owner->run(0);
  owner->run(1);
  const Outcome outcome = copy({}, 3);
  if (GetParam().journals) {
    expect_copied(outcome, Verdict::recovered);
  } else {
    expect_refused(outcome, Errc::source_busy);
    EXPECT_EQ(outcome.report.attempts, 3U);
  }
}

TEST_P(EachMode, AnExclusiveOwnerInsideASpilledTransactionIsRecoveredOrNotAccepted) {
  make(GetParam().mode);
  Owner owner(
      {open(std::string("PRAGMA locking_mode=EXCLUSIVE;") + GetParam().pragma), begin_long});
  owner->run(0);
  owner->run(1);
  const Outcome outcome = copy({}, 3);
  if (GetParam().journals) {
    expect_copied(outcome, Verdict::recovered);
  } else {
    expect_refused(outcome, Errc::source_busy);
  }
}

TEST_P(EachMode, ASpillThatIsTakenBackInEveryRoundIsNotMissed) {
  make(GetParam().mode);
  if (!GetParam().journals) GTEST_SKIP() << "it is never accepted";
  Owner owner({open(GetParam().pragma), begin_long, roll_back});
  owner->run(0);
  int acts = 0;
  const EveryRound round(source_, [&] {
    if (++acts > 4) return;
    owner->run(acts % 2 == 1 ? 1 : 2);  // half of it is in main from one round to the next
  });
  const Outcome outcome = copy(round.hooks);
  expect_copied(outcome, Verdict::at_rest);
  EXPECT_GE(outcome.report.attempts, 5U);
}

// An earlier owner left its journal, empty or with its header zeroed; the one of now keeps none.
TEST_F(RetryVerify, AnOldJournalSaysNothingOfAnOwnerThatKeepsNone) {
  for (const char* mode : {"MEMORY", "OFF"}) {
    for (const char* locking : {"NORMAL", "EXCLUSIVE"}) {
      SCOPED_TRACE(std::string(mode) + " " + locking);
      fs::remove(source_);
      fs::remove(source_ + "-journal");
      make(kit::JournalMode::persist);
      {
        Owner first(
            {open("PRAGMA journal_mode=PERSIST"), [](OwnerState& state) { state.close(); }});
        first->run(0);
        first->run(1);
      }
      ASSERT_TRUE(fs::exists(source_ + "-journal"));
      Owner owner({[&](OwnerState& state) {
                     state.open(source_, std::string("PRAGMA cache_size=5; PRAGMA locking_mode=") +
                                             locking + "; PRAGMA journal_mode=" + mode);
                   },
                   begin_long});
      owner->run(0);
      owner->run(1);
      set_mtime(source_ + "-journal", stat_path(source_)->mtime_ns - 3600 * 1'000'000'000LL);
      ASSERT_TRUE(fs::exists(source_ + "-journal"));
      expect_refused(copy({}, 3), Errc::source_busy);
    }
  }
}

// --- Hot journals.

TEST_F(RetryVerify, AHotJournalIsCopiedWithItsDatabaseAndRolledBack) {
  make(kit::JournalMode::delete_file);
  {
    Owner owner({open(""), begin_long});
    owner->run(0);
    owner->run(1);
  }  // killed
  const test::SeenSource before = test::look_at_source(source_);
  expect_copied(copy(), Verdict::recovered);
  EXPECT_EQ(test::difference(before, test::look_at_source(source_), true), "");
}

// As PRAGMA journal_mode=DELETE of a WAL database leaves it when it is killed: page 1 as the
// journal has it says WAL, so that whoever rolls it back makes a -wal.
TEST_F(RetryVerify, AHotJournalOfALeftWalModeLeavesNoSidecar) {
  make(kit::JournalMode::delete_file);
  {
    Owner owner({open(""), [](OwnerState& state) {
                   state.connection->execute(
                       "BEGIN; PRAGMA user_version = 7; UPDATE account SET balance = balance + 1");
                 }});
    owner->run(0);
    owner->run(1);
  }  // killed
  std::string journal = test::bytes_of(source_ + "-journal");
  const std::size_t page_1 = journal.find("SQLite format 3");
  ASSERT_NE(page_1, std::string::npos);
  journal[page_1 + 18] = journal[page_1 + 19] = 2;  // no byte of the record's checksum
  test::write_text(source_ + "-journal", journal);
  expect_copied(copy(), Verdict::recovered);
}

// A transaction over several databases: whether its journals count depends on a file that may be
// gone in a moment.
TEST_F(RetryVerify, AJournalThatNamesASuperJournalIsRefused) {
  for (const bool alive : {true, false}) {
    SCOPED_TRACE(alive);
    fs::remove(source_);
    fs::remove(source_ + "-journal");
    make(kit::JournalMode::delete_file);
    std::optional<Owner> owner;
    owner.emplace(std::vector<OwnerTask>{open(""), begin_long});
    (*owner)->run(0);
    (*owner)->run(1);
    if (!alive) owner.reset();
    // As writeSuperJournal() leaves it: lock page, name, length, checksum, magic.
    const std::string name = source_directory_.file("source.db-mj12345678");
    std::string journal =
        test::bytes_of(source_ + "-journal") + std::string("\x00\x10\x00\x00", 4) + name;
    const auto append32 = [&journal](std::uint32_t value) {
      for (int shift = 24; shift >= 0; shift -= 8) journal += static_cast<char>(value >> shift);
    };
    append32(static_cast<std::uint32_t>(name.size()));
    std::uint32_t sum = 0;
    for (const char c : name) sum += static_cast<std::uint32_t>(c);
    append32(sum);
    for (const std::uint8_t byte : format::kJournalMagic) journal += static_cast<char>(byte);
    test::write_bytes(source_ + "-journal", journal);
    test::write_bytes(name, source_ + "-journal");
    const Outcome outcome = copy({}, 3);
    expect_refused(outcome, Errc::unsuitable);
    EXPECT_NE(std::string(outcome.error->what()).find("several databases"), std::string::npos);
    fs::remove(name);
  }
}

// --- EXCLUSIVE locking mode (consistency-rules, 6.3a).

class ExclusiveOwner : public RetryVerify, public ::testing::WithParamInterface<Mode> {
 protected:
  std::string pragmas() const {
    return std::string("PRAGMA locking_mode=EXCLUSIVE;") + GetParam().pragma;
  }
  // A transaction is under way at the end of the first round and has ended when the third begins.
  Outcome copy_seeing_the_journal(Owner& owner, const std::function<void()>& after_commit) {
    int rounds = 0;
    const EveryRound round(source_, [&] {
      ++rounds;
      if (rounds == 1) owner->run(1);
      if (rounds != 2) return;
      owner->run(2);
      after_commit();
    });
    return copy(round.hooks, 5);
  }
  static void begin_commit(OwnerState& state) {
    state.connection->execute("BEGIN; UPDATE account SET balance = balance + 1");
  }
  static void end_commit(OwnerState& state) {
    state.connection->execute("UPDATE account SET balance = balance - 1; COMMIT");
  }
};

INSTANTIATE_TEST_SUITE_P(JournalModes, ExclusiveOwner,
                         ::testing::Values(kModes[0], kModes[1], kModes[2]),
                         [](const ::testing::TestParamInfo<Mode>& test) {
                           return std::string(to_string(test.param.mode));
                         });

TEST_P(ExclusiveOwner, ThatHasTheJournalOpenJournalsToIt) {
  make(GetParam().mode);
  Owner owner({open(pragmas())});
  owner->run(0);
  const Outcome outcome = copy();
  expect_copied(outcome, Verdict::at_rest);
  EXPECT_TRUE(outcome.report.assumptions.empty()) << outcome.explain();
}

TEST_P(ExclusiveOwner, ThatIsSeenToJournalNeedsNoAssumption) {
  make(GetParam().mode);
  Owner owner({open(pragmas()), begin_commit, end_commit});
  owner->run(0);
  std::vector<UniqueFd> own;
  for (int i = 0; i < 64; ++i) own.push_back(open_at(AT_FDCWD, "/dev/null", O_RDONLY, 0, "null"));
  // As by a slow disk, or a fine clock.
  const Outcome outcome = copy_seeing_the_journal(
      owner, [this] { set_mtime(source_ + "-journal", stat_path(source_)->mtime_ns + 1); });
  expect_copied(outcome, Verdict::proven);
  EXPECT_TRUE(outcome.report.assumptions.empty()) << outcome.explain();
  EXPECT_EQ(outcome.report.attempts, 3U);
  // The journal that was kept open had its number in the table of the run, not in this one.
  for (const UniqueFd& fd : own) EXPECT_GE(::fcntl(fd.get(), F_GETFD), 0) << fd.get();
}

// What was seen says nothing then: it may have given up journaling since, and have written main
// after the journal. But that journal is still open in it.
TEST_P(ExclusiveOwner, WhoseMainIsNewerThanItsJournalHasItOpen) {
  make(GetParam().mode);
  Owner owner({open(pragmas()), begin_commit, end_commit});
  owner->run(0);
  const Outcome outcome = copy_seeing_the_journal(
      owner, [this] { set_mtime(source_, stat_path(source_ + "-journal")->mtime_ns + 1'000'000); });
  expect_copied(outcome, Verdict::at_rest);
  EXPECT_TRUE(outcome.report.assumptions.empty()) << outcome.explain();
}

// So it may within one tick.
TEST_P(ExclusiveOwner, WhoseMainIsAsNewAsItsJournalHasItOpen) {
  make(GetParam().mode);
  Owner owner({open(pragmas()), begin_commit, end_commit});
  owner->run(0);
  const Outcome outcome = copy_seeing_the_journal(
      owner, [this] { set_mtime(source_, stat_path(source_ + "-journal")->mtime_ns); });
  expect_copied(outcome, Verdict::at_rest);
  EXPECT_TRUE(outcome.report.assumptions.empty()) << outcome.explain();
}

// It does not have the journal open, which another process has left there: then all depends on
// whether main was written since.
TEST_P(ExclusiveOwner, ThatDidNotMakeTheJournalHasNotWrittenSince) {
  make(GetParam().mode);
  if (GetParam().mode == kit::JournalMode::delete_file) GTEST_SKIP() << "its journal goes with it";
  Owner next({[this](OwnerState& state) {
    state.open(source_, pragmas());
    state.connection->execute("BEGIN EXCLUSIVE; COMMIT");
  }});
  Owner owner({open(GetParam().pragma), [](OwnerState& state) { state.close(); }});
  owner->run(0);
  owner->run(1);
  if (!fs::exists(source_ + "-journal")) GTEST_SKIP() << "the close took the journal with it";
  next->run(0);
  set_mtime(source_ + "-journal", stat_path(source_)->mtime_ns + 1);
  const Outcome outcome = copy();
  expect_copied(outcome, Verdict::at_rest);
  EXPECT_TRUE(outcome.report.assumptions.empty()) << outcome.explain();
  // Half a transaction may have been written in that tick.
  set_mtime(source_ + "-journal", stat_path(source_)->mtime_ns);
  fs::remove(copy_);
  expect_refused(copy(), Errc::source_busy);
}

// SQLite keeps its journal mode while it holds the journal open
// (sqlite3PagerOkToChangeJournalMode()): who was seen to journal goes on doing so.
TEST_P(ExclusiveOwner, ThatWouldGiveUpJournalingInTheMiddleCannot) {
  make(GetParam().mode);
  Owner owner({open(pragmas()), begin_commit, [](OwnerState& state) {
                 end_commit(state);
                 state.connection->execute("PRAGMA journal_mode=MEMORY");
                 begin_long(state);
               }});
  owner->run(0);
  expect_copied(copy_seeing_the_journal(owner, [] {}), Verdict::recovered);
}

// --- Rounds (consistency-rules, 6.5).

TEST(Rounds, GoOnWhileTheyComeNearer) {
  Convergence convergence;
  for (std::uint64_t changed = 100; changed > 0; --changed) {
    convergence.add(changed);
    EXPECT_FALSE(convergence.is_hopeless()) << changed;
  }
}

TEST(Rounds, AreHopelessWhenThreeInARowChangeNoLessThanTheFirst) {
  Convergence convergence;
  for (const std::uint64_t changed : {10U, 10U, 11U, 9U, 12U, 10U}) {
    convergence.add(changed);
    EXPECT_FALSE(convergence.is_hopeless()) << changed;
  }
  convergence.add(10);
  EXPECT_TRUE(convergence.is_hopeless());
}

TEST_F(RetryVerify, RoundsThatComeNoNearerEndWithWhatWouldHelp) {
  make(kit::JournalMode::delete_file);
  Owner owner({open(""), [](OwnerState& state) {
                 state.connection->execute("UPDATE account SET balance = balance + 1 WHERE id = 1");
               }});
  owner->run(0);
  const EveryRound round(source_, [&] { owner->run(1); });
  constexpr unsigned kRounds = 1'000'000;
  const Outcome outcome = copy(round.hooks, kRounds);
  ASSERT_FALSE(outcome.ok()) << outcome.explain();
  expect_refused(outcome, Errc::source_changed);
  EXPECT_LT(outcome.report.attempts, kRounds);
  EXPECT_GE(outcome.report.attempts, 5U);
  EXPECT_NE(outcome.error->hint().find("pause the writer"), std::string::npos)
      << outcome.error->hint();
}

TEST_F(RetryVerify, FramesWithoutChecksumsThatNobodyOwnsEndTheRoundsSoon) {
  if (!kit::sqlite_writes_zero_salts()) GTEST_SKIP() << "this SQLite has not the bug";
  kit::make_zero_salt_wal(source_, kit::ZeroSaltVariant::plain).kill9();
  const Outcome outcome = copy({}, 1000);
  expect_refused(outcome, Errc::frames_without_checksum);
  EXPECT_EQ(outcome.report.attempts, 3U);
  EXPECT_NE(std::string(outcome.error->what()).find("SQLite 3."), std::string::npos)
      << outcome.error->what();
}

// --- A -wal that is another file with the same header.

TEST_F(RetryVerify, AWalThatIsReplacedByItsCopyIsNotTheSame) {
  make(kit::JournalMode::wal);
  {
    // A live one would go on with the old file, for as long as it lives.
    Owner dead({open("PRAGMA wal_autocheckpoint=0")});
    dead->run(0);
  }
  int times = 0;
  Hooks hooks;
  hooks.middle = [&](const MoveJob& job, RunContext&) {
    if (job.in_path != source_ + "-wal" || ++times > 1) return;
    fs::copy_file(source_ + "-wal", source_ + "-other");
    fs::rename(source_ + "-other", source_ + "-wal");
  };
  const Outcome outcome = copy(hooks);
  expect_copied(outcome, Verdict::proven);
  EXPECT_EQ(outcome.report.attempts, 2U);
}

}  // namespace
}  // namespace sqlbk::copy
