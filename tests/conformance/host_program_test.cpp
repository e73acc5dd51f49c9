// A program that links sqlbk and has the source open itself: its locks, its transactions and its
// view of the database survive every strategy (the descriptor rule).
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>

#include <gtest/gtest.h>

#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "sqlbk/copy/builtin.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "support/owner.hpp"
#include "support/run_copy.hpp"
#include "support/source_files.hpp"

namespace sqlbk::test {
namespace {

using namespace std::chrono_literals;
using kit::JournalMode;

class HostProgram : public ::testing::TestWithParam<JournalMode> {
 protected:
  HostProgram() {
    copy::register_builtin_strategies(registry_);
    kit::DatabaseOptions options;
    options.size_mb = 1;
    options.journal_mode = GetParam();
    kit::create_database(source_, options);
    specs_ = strategies_that_work_here(registry_);
    // A rival in another process; forked before this one has a connection.
    rival_.emplace(std::vector<OwnerTask>{
        [this](OwnerState& state) {
          state.connection.emplace(source_, sqlite::OpenMode::read_write);
        },
        // Succeeds only if it can write behind the back of this process.
        [](OwnerState& state) {
          if (GetParam() != JournalMode::wal) {
            state.connection->execute("BEGIN EXCLUSIVE; ROLLBACK");
          } else if (state.connection->integer("PRAGMA wal_checkpoint(TRUNCATE)") != 0) {
            throw std::runtime_error("busy");
          }
        }});
    host_.emplace(source_, sqlite::OpenMode::read_write);
    host_->execute("PRAGMA journal_mode=" + std::string(to_string(GetParam())) +
                   "; PRAGMA synchronous=OFF; PRAGMA busy_timeout=60000");
    kit::Workload workload(*host_, 1, {}, 1);
    for (int i = 0; i < 5; ++i) static_cast<void>(workload.run());
  }

  // Every strategy with the host's transaction open; returns how many succeeded.
  unsigned copy_by_all(bool must_succeed) {
    const std::vector<std::string> locks = own_locks_on(source_);
    EXPECT_FALSE(locks.empty());
    const SeenSource before = look_at_source(source_);
    unsigned succeeded = 0;
    for (const std::string& spec : specs_) {
      SCOPED_TRACE(spec);
      const StrategyTraits traits = registry_.strategy(spec)->traits();
      const CopyRequest request = request_of(source_, destinations_.file("copy.db"), spec);
      const bool must = must_succeed && (traits.takes_locks || traits.is_mover);
      const Outcome outcome =
          run_request(request, registry_, Deadline::after(must ? 120'000ms : 200ms));
      if (outcome.ok()) {
        ++succeeded;
        const kit::CheckResult result = kit::check_copy(request.destination, floor_of(5));
        EXPECT_TRUE(result.good()) << result.explain();
        EXPECT_EQ(result.committed, floor_of(5));
        EXPECT_EQ(leftovers(request.destination, {"copy.db"}), "");
        std::filesystem::remove(request.destination);
      } else {
        EXPECT_FALSE(must) << outcome.explain();
        EXPECT_EQ(outcome.exit_code(), 4) << outcome.explain();
        EXPECT_EQ(leftovers(request.destination, {}), "");
      }
      EXPECT_EQ(own_locks_on(source_), locks);
      EXPECT_EQ(difference(before, look_at_source(source_), false), "");
    }
    return succeeded;
  }

  kit::TemporaryDirectory directory_;
  kit::TemporaryDirectory destinations_;
  std::string source_ = directory_.file("source.db");
  Registry registry_;
  std::vector<std::string> specs_;
  std::optional<Owner> rival_;
  std::optional<sqlite::Connection> host_;
};

TEST_P(HostProgram, KeepsItsReadTransaction) {
  host_->execute("BEGIN");
  const std::int64_t seen = host_->integer("SELECT sum(balance) FROM account");
  EXPECT_GT(copy_by_all(true), 0U);
  EXPECT_EQ(host_->integer("SELECT sum(balance) FROM account"), seen);
  // What the locks are for.
  (*rival_)->run(0);
  EXPECT_THROW((*rival_)->run(1), std::runtime_error);
  host_->execute("COMMIT");
  EXPECT_NO_THROW((*rival_)->run(1));
}

TEST_P(HostProgram, KeepsItsWriteTransactionToItself) {
  host_->execute("BEGIN IMMEDIATE; UPDATE account SET balance = balance + 1");
  // In WAL mode a reader does not mind, otherwise it depends on what has reached the file.
  const unsigned succeeded = copy_by_all(false);
  if (GetParam() == JournalMode::wal) {
    EXPECT_GT(succeeded, 0U);
  }
  const std::int64_t count = host_->integer("SELECT count(*) FROM account");
  EXPECT_EQ(host_->integer("SELECT changes()"), count);
  host_->execute("UPDATE account SET balance = balance - 1; COMMIT");
  host_.reset();
  const kit::CheckResult result = kit::check_source(source_, floor_of(5));
  EXPECT_TRUE(result.good()) << result.explain();
}

INSTANTIATE_TEST_SUITE_P(Modes, HostProgram,
                         ::testing::Values(JournalMode::wal, JournalMode::delete_file,
                                           JournalMode::truncate, JournalMode::persist,
                                           JournalMode::memory, JournalMode::off),
                         [](const ::testing::TestParamInfo<JournalMode>& test) {
                           return std::string(to_string(test.param));
                         });

}  // namespace
}  // namespace sqlbk::test
