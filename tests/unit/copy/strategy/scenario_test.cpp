// What owners do in the middle of a copy, one thing after another, while every wrapper and a mover
// alone copy the source. Whatever it is: a copy is one committed state, or there is none.
#include <chrono>
#include <filesystem>
#include <optional>
#include <ostream>
#include <signal.h>

#include <gtest/gtest.h>

#include "kit/checker.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "support/hook_mover.hpp"
#include "support/owner.hpp"
#include "support/run_copy.hpp"
#include "support/source_files.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;
using test::Hooks;
using test::Outcome;
using test::Owner;
using test::OwnerState;
using test::OwnerTask;

constexpr int kFirstCommits = 10;

// Runs SQL that a reader's lock may forbid; then nothing happens.
bool attempt(OwnerState& state, const std::string& sql) {
  try {
    state.connection->execute("PRAGMA busy_timeout=0");
    state.connection->execute(sql);
    return true;
  } catch (const Error& error) {
    if (error.code() != Errc::source_busy) throw;
    return false;
  }
}

// Nobody's lock changes while the owner acts: what begins alone can commit. (An owner without a
// journal could not take back what it may not commit.)
void attempt_commits(OwnerState& state, int count) {
  if (attempt(state, "BEGIN EXCLUSIVE; COMMIT")) state.commit(count);
}

struct Scenario {
  const char* name;
  kit::JournalMode mode;
  const char* pragmas;
  void (*act)(OwnerState& state);  // at every moment of the first copies
  void (*prepare)(OwnerState& state) = nullptr;
  bool exclusive = false;  // the owner lets nobody in

  friend void PrintTo(const Scenario& scenario, std::ostream* out) { *out << scenario.name; }
};

void commit_some(OwnerState& state) {
  attempt_commits(state, 3);
}

// Its changes reach the files before they are taken back, and the change counter stays.
void spill_and_roll_back(OwnerState& state) {
  attempt(state, "BEGIN EXCLUSIVE; UPDATE account SET balance = balance + 1; ROLLBACK");
}

const Scenario kScenarios[] = {
    {"generations_by_truncate", kit::JournalMode::wal, "PRAGMA wal_autocheckpoint=0",
     [](OwnerState& state) {
       for (int i = 0; i < 3; ++i) {
         attempt_commits(state, 7);
         attempt(state, "PRAGMA wal_checkpoint(TRUNCATE)");
       }
       attempt_commits(state, 1);
     }},
    {"generations_by_restart", kit::JournalMode::wal, "PRAGMA wal_autocheckpoint=0",
     [](OwnerState& state) {
       for (int i = 0; i < 3; ++i) {
         attempt_commits(state, 7);
         attempt(state, "PRAGMA wal_checkpoint(RESTART)");
       }
       attempt_commits(state, 1);
     }},
    {"one_short_generation_after_another", kit::JournalMode::wal, "PRAGMA wal_autocheckpoint=1",
     commit_some},
    {"generations_cut_by_a_size_limit", kit::JournalMode::wal,
     "PRAGMA wal_autocheckpoint=1; PRAGMA journal_size_limit=0", commit_some},
    {"one_reset_of_a_long_generation", kit::JournalMode::wal, "PRAGMA wal_autocheckpoint=0",
     [](OwnerState& state) {
       attempt(state, "PRAGMA wal_checkpoint(PASSIVE)");
       attempt_commits(state, 20);
     }},
    {"spills_taken_back", kit::JournalMode::wal, "PRAGMA cache_size=5; PRAGMA wal_autocheckpoint=0",
     [](OwnerState& state) {
       spill_and_roll_back(state);
       attempt_commits(state, 1);
     }},
    {"vacuum_and_truncate", kit::JournalMode::wal, "PRAGMA wal_autocheckpoint=0",
     [](OwnerState& state) {
       attempt(state, "DELETE FROM junk; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
       attempt(state, "INSERT INTO junk VALUES (zeroblob(300000))");
       attempt(state, "PRAGMA wal_checkpoint(PASSIVE)");
     },
     [](OwnerState& state) {
       state.connection->execute(
           "CREATE TABLE junk (x); INSERT INTO junk VALUES (zeroblob(500000));"
           "PRAGMA wal_checkpoint(PASSIVE)");
     }},
    {"out_of_wal_mode_and_back", kit::JournalMode::wal, "PRAGMA wal_autocheckpoint=0",
     [](OwnerState& state) {
       attempt(state, "PRAGMA journal_mode=DELETE");
       attempt_commits(state, 2);
       attempt(state, "PRAGMA journal_mode=WAL");
       attempt_commits(state, 2);
     }},
    {"into_wal_mode", kit::JournalMode::delete_file, "",
     [](OwnerState& state) {
       attempt_commits(state, 1);
       attempt(state, "PRAGMA journal_mode=WAL");
       attempt_commits(state, 2);
     }},
    {"into_wal_mode_and_back", kit::JournalMode::delete_file, "",
     [](OwnerState& state) {
       attempt(state, "PRAGMA journal_mode=WAL");
       attempt_commits(state, 2);
       attempt(state, "PRAGMA journal_mode=DELETE");
     }},
    {"delete", kit::JournalMode::delete_file, "", commit_some},
    {"truncate", kit::JournalMode::truncate, "PRAGMA journal_mode=TRUNCATE", commit_some},
    {"persist", kit::JournalMode::persist, "PRAGMA journal_mode=PERSIST", commit_some},
    {"memory", kit::JournalMode::memory, "PRAGMA journal_mode=MEMORY", commit_some},
    {"off", kit::JournalMode::off, "PRAGMA journal_mode=OFF", commit_some},
    {"delete_spilled", kit::JournalMode::delete_file, "PRAGMA cache_size=5", spill_and_roll_back},
    {"truncate_spilled", kit::JournalMode::truncate,
     "PRAGMA journal_mode=TRUNCATE; PRAGMA cache_size=5", spill_and_roll_back},
    {"persist_spilled", kit::JournalMode::persist,
     "PRAGMA journal_mode=PERSIST; PRAGMA cache_size=5", spill_and_roll_back},
    {"memory_spilled", kit::JournalMode::memory, "PRAGMA journal_mode=MEMORY; PRAGMA cache_size=5",
     spill_and_roll_back},
    {"exclusive_wal", kit::JournalMode::wal,
     "PRAGMA locking_mode=EXCLUSIVE; PRAGMA wal_autocheckpoint=40", commit_some, nullptr, true},
    {"exclusive_truncate", kit::JournalMode::truncate,
     "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=TRUNCATE", commit_some, nullptr, true},
    {"exclusive_persist_spilled", kit::JournalMode::persist,
     "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=PERSIST; PRAGMA cache_size=5",
     spill_and_roll_back, nullptr, true},
};

using StrategyAndScenario = std::tuple<std::string, Scenario>;

class Scenarios : public ::testing::TestWithParam<StrategyAndScenario> {
 protected:
  Outcome copy(const Hooks& hooks, Deadline deadline) {
    return test::run_request(test::request_of(source_, copy_, std::get<0>(GetParam())),
                             test::hooked_registry(hooks), deadline);
  }
  kit::TemporaryDirectory source_directory_;
  kit::TemporaryDirectory copy_directory_;
  std::string source_ = source_directory_.file("source.db");
  std::string copy_ = copy_directory_.file("copy.db");
};

TEST_P(Scenarios, GiveOneCommittedStateOrNone) {
  const auto& spec = std::get<0>(GetParam());
  const auto& scenario = std::get<1>(GetParam());
  const StrategyTraits traits = test::hooked_registry({}).strategy(spec)->traits();
  kit::DatabaseOptions options;
  options.size_mb = 1;
  options.journal_mode = scenario.mode;
  kit::create_database(source_, options);
  Owner owner({[&](OwnerState& state) {
                 state.open(source_, scenario.pragmas);
                 state.commit(kFirstCommits);
                 if (scenario.prepare != nullptr) scenario.prepare(state);
               },
               scenario.act});
  owner->run(0);
  // The first attempts are disturbed, the later ones are left in peace.
  int acts = 0;
  const auto act = [&](const MoveJob&, RunContext&) {
    if (++acts <= 10) owner->run(1);
  };
  const bool hopeless = traits.takes_locks && scenario.exclusive;
  const Outcome outcome = copy({act, act, act}, Deadline::after(hopeless ? 150ms : 120'000ms));
  if (!outcome.ok()) {
    EXPECT_EQ(outcome.exit_code(), 4) << outcome.explain();
    EXPECT_EQ(test::leftovers(copy_, {}), "");
    // A mover alone has one attempt, an owner may keep lockers out, and what follows a WAL may find
    // that there is none any more.
    EXPECT_TRUE(traits.is_mover || hopeless || outcome.error->code() == Errc::unsuitable)
        << outcome.explain();
    return;
  }
  EXPECT_GE(acts, 3) << "nothing happened during the copy";
  const kit::CheckResult result = kit::check_copy(copy_, test::floor_of(kFirstCommits));
  EXPECT_TRUE(result.good()) << result.explain() << '\n' << outcome.explain();
}

INSTANTIATE_TEST_SUITE_P(
    All, Scenarios,
    ::testing::Combine(::testing::ValuesIn(test::hooked_strategies(test::any_strategy)),
                       ::testing::ValuesIn(kScenarios)),
    [](const ::testing::TestParamInfo<StrategyAndScenario>& test) {
      return test::test_name(std::get<0>(test.param)) + "_" + std::get<1>(test.param).name;
    });

// --- Owners that die and owners that come, while the WAL of a dead one is there.

class Successors : public ::testing::TestWithParam<std::string> {
 protected:
  Successors() {
    kit::DatabaseOptions options;
    options.size_mb = 1;
    kit::create_database(source_, options);
  }
  static OwnerTask come(const std::string& source, bool first) {
    return [=](OwnerState& state) {
      state.open(source, "PRAGMA wal_autocheckpoint=0");
      if (first) state.commit(kFirstCommits);
    };
  }
  // Commits, and checkpoints as far as it may.
  static void work(OwnerState& state) {
    attempt_commits(state, 5);
    attempt(state, "PRAGMA wal_checkpoint(TRUNCATE)");
    attempt_commits(state, 5);
    attempt(state, "PRAGMA wal_checkpoint(PASSIVE)");
    attempt_commits(state, 1);
  }
  void expect_good_or_refused(const Outcome& outcome) const {
    if (!outcome.ok()) {
      EXPECT_EQ(outcome.exit_code(), 4) << outcome.explain();
      EXPECT_EQ(test::leftovers(copy_, {}), "");
      return;
    }
    const kit::CheckResult result = kit::check_copy(copy_, test::floor_of(kFirstCommits));
    EXPECT_TRUE(result.good()) << result.explain() << '\n' << outcome.explain();
  }

  kit::TemporaryDirectory source_directory_;
  kit::TemporaryDirectory copy_directory_;
  std::string source_ = source_directory_.file("source.db");
  std::string copy_ = copy_directory_.file("copy.db");
};

TEST_P(Successors, OfAnOwnerThatWasKilledDuringTheCopyRecoverTheWal) {
  Owner successor({come(source_, false), work});
  std::optional<Owner> owner;
  owner.emplace(std::vector<OwnerTask>{come(source_, true)});
  (*owner)->run(0);
  int acts = 0;
  const auto act = [&](const MoveJob&, RunContext&) {
    ++acts;
    if (acts == 2) static_cast<void>(::kill((*owner)->pid(), SIGKILL));
    if (acts == 3) successor->run(0);
    if (acts > 3 && acts < 10) successor->run(1);
  };
  const Outcome outcome =
      test::run_request(test::request_of(source_, copy_, GetParam()),
                        test::hooked_registry({act, act, act}), Deadline::after(120s));
  expect_good_or_refused(outcome);
  EXPECT_GE(acts, 2);
}

TEST_P(Successors, ThatComeToAWalAtRestDoNotTearTheCopy) {
  Owner successor({come(source_, false), work});
  {
    Owner owner({come(source_, true)});
    owner->run(0);
  }  // killed
  int acts = 0;
  const auto act = [&](const MoveJob&, RunContext&) {
    ++acts;
    if (acts == 1) successor->run(0);
    if (acts < 10) successor->run(1);
  };
  const Outcome outcome =
      test::run_request(test::request_of(source_, copy_, GetParam()),
                        test::hooked_registry({act, act, act}), Deadline::after(120s));
  expect_good_or_refused(outcome);
}

TEST_P(Successors, ThatComeToADatabaseAtRestAndLeaveDoNotTearTheCopy) {
  Owner visitor({[this](OwnerState& state) {
    state.open(source_, "");
    attempt_commits(state, 5);
    state.close();  // checkpoints and removes the WAL, if nobody minds
  }});
  {
    Owner owner({come(source_, true), [](OwnerState& state) { state.close(); }});
    owner->run(0);
    owner->run(1);
  }
  ASSERT_FALSE(std::filesystem::exists(source_ + "-wal"));
  int acts = 0;
  const auto act = [&](const MoveJob&, RunContext&) {
    if (++acts < 8) visitor->run(0);
  };
  const Outcome outcome =
      test::run_request(test::request_of(source_, copy_, GetParam()),
                        test::hooked_registry({act, act, act}), Deadline::after(120s));
  expect_good_or_refused(outcome);
}

// A transaction that is longer than anybody keeps in memory, committed while main is copied.
TEST_P(Successors, OfAShortTransactionMayBeLong) {
  kit::TemporaryDirectory directory;
  const std::string source = directory.file("large.db");
  kit::DatabaseOptions options;
  options.size_mb = 8;
  kit::create_database(source, options);
  Owner owner({[&](OwnerState& state) {
                 state.open(source, "PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=50");
                 state.commit(1);
               },
               [](OwnerState& state) {
                 kit::TransactionOptions long_one;
                 long_one.rows = 4000;
                 state.workload.emplace(*state.connection, 1, long_one, 2);
                 attempt_commits(state, 1);
                 attempt(state, "PRAGMA wal_checkpoint(PASSIVE)");
               }});
  owner->run(0);
  int acts = 0;
  const auto act = [&](const MoveJob&, RunContext&) {
    if (++acts <= 3) owner->run(1);
  };
  const Outcome outcome =
      test::run_request(test::request_of(source, copy_, GetParam()),
                        test::hooked_registry({act, act, act}), Deadline::after(120s));
  if (!outcome.ok()) {
    EXPECT_EQ(outcome.exit_code(), 4) << outcome.explain();
    return;
  }
  const kit::CheckResult result = kit::check_copy(copy_, test::floor_of(1));
  EXPECT_TRUE(result.good()) << result.explain() << '\n' << outcome.explain();
}

INSTANTIATE_TEST_SUITE_P(Strategies, Successors,
                         ::testing::ValuesIn(test::hooked_strategies(test::any_strategy)),
                         [](const ::testing::TestParamInfo<std::string>& test) {
                           return test::test_name(test.param);
                         });

}  // namespace
}  // namespace sqlbk::copy
