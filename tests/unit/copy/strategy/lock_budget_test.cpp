// An owner who waits for a lock of ours waits no longer than the budget, and a budget counts only
// while somebody waits.
#include "strategy/lock_budget.hpp"

#include <chrono>
#include <functional>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "kit/checker.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "mover/movers.hpp"
#include "scoped_sys.hpp"
#include "sqlbk/core/locks.hpp"
#include "sqlbk/format/wal_index.hpp"
#include "strategy/lock.hpp"
#include "strategy/snapshot.hpp"
#include "support/hook_mover.hpp"
#include "support/owner.hpp"
#include "support/run_copy.hpp"
#include "support/source_files.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using test::floor_of;
using test::Hooks;
using test::Outcome;
using test::Owner;
using test::OwnerState;

// Task 0 opens and commits, task 1 is what has to wait for a reader, task 2 waits in small pieces.
class Budget : public ::testing::TestWithParam<std::tuple<std::string, kit::JournalMode>> {
 protected:
  Budget() {
    kit::DatabaseOptions options;
    options.size_mb = 1;
    options.journal_mode = mode_;
    kit::create_database(source_, options);
    owner_.emplace(std::vector<test::OwnerTask>{
        [this](OwnerState& state) {
          state.open(source_, "PRAGMA wal_autocheckpoint=0");
          state.commit(5);
        },
        [this](OwnerState& state) {
          state.commit(1);
          if (mode_ != kit::JournalMode::wal) return;
          if (state.connection->integer("PRAGMA wal_checkpoint(TRUNCATE)") != 0) {
            throw std::runtime_error("the checkpoint was refused");
          }
        },
        [](OwnerState& state) {
          state.connection->execute("PRAGMA busy_timeout=20");
          for (bool done = false; !done;) {
            state.connection->execute("BEGIN IMMEDIATE; PRAGMA user_version=7");
            try {
              state.connection->execute("COMMIT");
              done = true;
            } catch (const Error&) {
              state.connection->execute("ROLLBACK");
              std::this_thread::sleep_for(10ms);  // some looks find nobody
            }
          }
        }});
    (*owner_)->run(0);
  }
  // In WAL mode it has the WAL to itself, in rollback mode it has announced itself.
  bool waits() {
    Owner& owner = *owner_;
    if (mode_ != kit::JournalMode::wal) {
      return test::holds_write_lock(owner->pid(), source_, kPendingByte, kPendingByte);
    }
    const auto holds = [&](std::uint64_t byte) {
      return test::holds_write_lock(owner->pid(), source_ + "-shm", byte, byte);
    };
    return holds(format::kWalWriteLockByte) && holds(format::kWalCheckpointLockByte);
  }
  Outcome copy(const Hooks& hooks, std::chrono::milliseconds budget) {
    CopyRequest request = test::request_of(source_, copy_, std::get<0>(GetParam()));
    request.copy.lock_budget = budget;
    return test::run_request(request, test::hooked_registry(hooks));
  }

  kit::JournalMode mode_ = std::get<1>(GetParam());
  kit::TemporaryDirectory source_directory_;
  kit::TemporaryDirectory copy_directory_;
  std::string source_ = source_directory_.file("source.db");
  std::string copy_ = copy_directory_.file("copy.db");
  std::optional<Owner> owner_;
};

TEST_P(Budget, EndsTheCopyAndThenTheOwnerGoesOn) {
  constexpr auto kBudget = 300ms;
  Clock::time_point began;
  Clock::time_point ended;
  Hooks hooks;
  hooks.middle = [&](const MoveJob&, RunContext& context) {
    began = Clock::now();
    (*owner_)->start(1);
    const auto give_up = began + 120s;
    try {
      while (Clock::now() < give_up) {
        context.tick();
        std::this_thread::sleep_for(1ms);
      }
    } catch (const Error&) {
      ended = Clock::now();
      throw;
    }
    ADD_FAILURE() << "the owner waited for two minutes";
  };
  const Outcome outcome = copy(hooks, kBudget);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error->code(), Errc::lock_budget_exceeded) << outcome.explain();
  EXPECT_EQ(outcome.exit_code(), 4);
  EXPECT_GT(ended - began, kBudget);
  (*owner_)->wait();
  EXPECT_EQ(test::leftovers(copy_, {}), "");
}

// A write to a slow disk, a FICLONE that flushes the source first: no tick comes, and the lock is
// let go of all the same. The copy goes on when the owner has got what it waited for, and has
// failed.
TEST_P(Budget, IsKeptWhileTheCopyIsStuck) {
  Hooks hooks;
  hooks.middle = [&](const MoveJob& job, RunContext&) {
    if (job.in_path == source_) (*owner_)->run(1);
  };
  const Outcome outcome = copy(hooks, 100ms);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error->code(), Errc::lock_budget_exceeded) << outcome.explain();
  EXPECT_EQ(test::leftovers(copy_, {}), "");
}

// FICLONE writes back what is dirty of the source before it does anything else.
TEST_P(Budget, IsKeptWhileAReflinkIsStuck) {
  const std::string name = std::get<0>(GetParam());
  static std::function<void()> stuck;
  stuck = [this] { (*owner_)->run(1); };
  test::ScopedSys patch;
  patch->ficlone = [](int out, int in) {
    if (auto act = std::exchange(stuck, {})) act();
    return real_sys().ficlone(out, in);
  };
  CopyRequest request = test::request_of(source_, copy_);
  request.copy.lock_budget = 100ms;
  const Outcome outcome = test::run_request(
      request, test::registry_of([&] {
        return name.starts_with("lock") ? make_lock_strategy("lock", best_movers())
                                        : make_snapshot_strategy("snapshot", best_movers());
      }));
  ASSERT_FALSE(stuck) << "no reflink was tried";
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error->code(), Errc::lock_budget_exceeded) << outcome.explain();
  EXPECT_EQ(test::leftovers(copy_, {}), "");
}

// The last thing that a copy does under its lock.
TEST_P(Budget, IsKeptWhereTheCopyIsStuckAtItsEnd) {
  Hooks hooks;
  hooks.after = [&](const MoveJob& job, RunContext&) {
    const bool is_last = mode_ != kit::JournalMode::wal || job.in_path != source_;
    if (is_last) (*owner_)->run(1);
  };
  const Outcome outcome = copy(hooks, 100ms);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error->code(), Errc::lock_budget_exceeded) << outcome.explain();
}

// A program that is stopped (Ctrl-Z) keeps no process waiting, and makes the copy when it goes on.
TEST_P(Budget, IsNothingToAProgramThatIsStopped) {
  bool is_first = true;
  Hooks hooks;
  hooks.middle = [&](const MoveJob& job, RunContext& context) {
    if (job.in_path != source_ || !std::exchange(is_first, false)) return;
    std::thread([&] {
      context.suspend();
      (*owner_)->run(1);
      context.resume();
    }).join();
  };
  const Outcome outcome = copy(hooks, std::chrono::hours(1));
  ASSERT_TRUE(outcome.ok()) << outcome.explain();
  EXPECT_EQ(outcome.report.attempts, 2U);
  const kit::CheckResult result = kit::check_copy(copy_, floor_of(6));
  EXPECT_TRUE(result.good()) << result.explain();
}

// Not even between one attempt and the next.
TEST_P(Budget, IsNotBegunWhileTheProgramIsStopped) {
  std::thread resumes;
  bool is_first = true;
  Hooks hooks;
  hooks.middle = [&](const MoveJob& job, RunContext& context) {
    if (job.in_path != source_ || !std::exchange(is_first, false)) return;
    std::thread([&] { context.suspend(); }).join();
    resumes = std::thread([&] {
      // What waits for a lock may come any time, also long after.
      for (int i = 0; i < 3; ++i) (*owner_)->run(1);
      context.resume();
    });
  };
  const Outcome outcome = copy(hooks, 0ms);
  resumes.join();
  ASSERT_TRUE(outcome.ok()) << outcome.explain();
  const kit::CheckResult result = kit::check_copy(copy_, floor_of(8));
  EXPECT_TRUE(result.good()) << result.explain();
}

TEST_P(Budget, LastsUntilItIsSpent) {
  Hooks hooks;
  hooks.middle = [&](const MoveJob& job, RunContext& context) {
    if (job.in_path != source_) return;
    (*owner_)->start(1);
    test::wait_until([this] { return waits(); }, "the owner to wait");
    for (int i = 0; i < 20; ++i) {
      std::this_thread::sleep_for(3ms);  // longer than between two looks
      context.tick();
    }
    EXPECT_FALSE((*owner_)->done());
  };
  const Outcome outcome = copy(hooks, std::chrono::hours(1));
  ASSERT_TRUE(outcome.ok()) << outcome.explain();
  (*owner_)->wait();
  const kit::CheckResult result = kit::check_copy(copy_, floor_of(5));
  EXPECT_TRUE(result.good()) << result.explain();
}

TEST_P(Budget, OfNothingIsNotTouchedWhileNobodyWaits) {
  Hooks hooks;
  hooks.before = hooks.middle = hooks.after = [&](const MoveJob&, RunContext& context) {
    for (int i = 0; i < 5; ++i) {
      std::this_thread::sleep_for(3ms);
      context.tick();
    }
  };
  const Outcome outcome = copy(hooks, 0ms);
  EXPECT_TRUE(outcome.ok()) << outcome.explain();
}

// Every checkpoint has a budget of its own: the waits of two, one after the other, do not add up.
// Those of writers in rollback mode do: as long as we are there, nobody has got what he waited for.
TEST_P(Budget, BeginsAnewWithTheNextCheckpoint) {
  if (std::get<0>(GetParam()) != test::hooked_strategies(test::takes_locks).front()) {
    GTEST_SKIP() << "the budget alone is the same for all";
  }
  // In the place of our copy: whose read lock it is does not matter to who waits.
  Owner reader({[this](OwnerState& state) {
                  state.connection.emplace(source_, sqlite::OpenMode::read_only);
                  state.connection->execute("BEGIN");
                  static_cast<void>(state.connection->integer("SELECT count(*) FROM account"));
                },
                [](OwnerState& state) { state.connection->execute("ROLLBACK"); }});
  LiveFiles files(source_);
  const bool adds_up = mode_ != kit::JournalMode::wal;
  const LockedFiles locked{.main_fd = files.fd_of(SourceFile::main),
                           .shm_fd = adds_up ? -1 : files.fd_of(SourceFile::shm),
                           .path = source_};
  LockBudget budget(0ms);
  for (int waiter = 0; waiter < 3; ++waiter) {
    reader->run(0);
    (*owner_)->start(1);
    test::wait_until([this] { return waits(); }, "the owner to wait");
    if (adds_up && waiter > 0) {
      EXPECT_TRUE(budget.is_spent(locked)) << "the first look at waiter " << waiter;
    } else {
      EXPECT_FALSE(budget.is_spent(locked)) << "the first look at waiter " << waiter;
    }
    std::this_thread::sleep_for(1ms);
    EXPECT_TRUE(budget.is_spent(locked)) << "the second look at waiter " << waiter;
    reader->run(1);
    (*owner_)->wait();
    EXPECT_FALSE(budget.is_spent(locked)) << "nobody waits after waiter " << waiter;
  }
}

TEST_P(Budget, IsNotBegunAnewByAWriterWhoGivesUpAndTriesAgain) {
  if (mode_ == kit::JournalMode::wal) GTEST_SKIP() << "a reader keeps no writer waiting";
  Hooks hooks;
  hooks.middle = [&](const MoveJob&, RunContext& context) {
    (*owner_)->start(2);
    const auto give_up = Clock::now() + 30s;
    while (Clock::now() < give_up) {
      context.tick();
      std::this_thread::sleep_for(1ms);
    }
  };
  const Outcome outcome = copy(hooks, 300ms);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error->code(), Errc::lock_budget_exceeded) << outcome.explain();
  (*owner_)->wait();
}

INSTANTIATE_TEST_SUITE_P(
    Modes, Budget,
    ::testing::Combine(::testing::ValuesIn(test::hooked_strategies(test::takes_locks)),
                       ::testing::Values(kit::JournalMode::wal, kit::JournalMode::delete_file,
                                         kit::JournalMode::persist)),
    [](const ::testing::TestParamInfo<Budget::ParamType>& test) {
      return test::test_name(std::get<0>(test.param)) + "_" +
             std::string(to_string(std::get<1>(test.param)));
    });

}  // namespace
}  // namespace sqlbk::copy
