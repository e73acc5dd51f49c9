// Bug Z: frames that SQLite before 3.50 commits without checksums. Whatever a strategy does, it
// must not deliver a copy without them.
#include "kit/zero_salt.hpp"

#include <chrono>
#include <csignal>
#include <optional>
#include <sys/resource.h>
#include <vector>

#include <gtest/gtest.h>

#include "kit/temporary_directory.hpp"
#include "sqlbk/copy/builtin.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "sqlbk/format/wal.hpp"
#include "sqlbk/format/wal_index.hpp"
#include "strategy/follow.hpp"
#include "strategy/lock.hpp"
#include "strategy/retry_verify.hpp"
#include "support/child.hpp"
#include "support/hooked_strategy.hpp"
#include "support/owner.hpp"
#include "support/run_copy.hpp"
#include "support/source_files.hpp"

namespace sqlbk::copy {
namespace {

using kit::LockingMode;
using kit::ZeroSaltVariant;
using test::Outcome;
using namespace std::chrono_literals;

constexpr ZeroSaltVariant kVariants[] = {
    ZeroSaltVariant::plain, ZeroSaltVariant::spilled_before_savepoint,
    ZeroSaltVariant::first_of_generation, ZeroSaltVariant::failed_statement};

std::string name_of(ZeroSaltVariant variant) {
  std::string name(to_string(variant));
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

class ZeroSaltSource : public ::testing::TestWithParam<ZeroSaltVariant> {
 protected:
  ZeroSaltSource() { register_builtin_strategies(registry_); }

  // Copies by every strategy there is. `must_succeed`: of those that SQLite's locks protect.
  void copy_by_all(bool must_succeed) {
    int copies = 0;
    for (const std::string& spec : test::strategies_that_work_here(registry_)) {
      SCOPED_TRACE(spec);
      const StrategyTraits traits = registry_.strategy(spec)->traits();
      for (const ImageForm form : {ImageForm::folded, ImageForm::main_and_wal}) {
        if (form == ImageForm::main_and_wal && !traits.can_deliver_wal) continue;
        const kit::TemporaryDirectory directory;
        CopyRequest request = test::request_of(source_, directory.file("copy.db"), spec);
        request.copy.copy_retry = 2;
        request.copy.form = form;
        if (form == ImageForm::main_and_wal) request.journal_mode = JournalMode::keep;
        // Where nobody can succeed there is no point in patience.
        const Outcome outcome = test::run_request(
            request, registry_, must_succeed ? Deadline::never() : Deadline::after(80ms));
        if (!outcome.ok()) {
          EXPECT_EQ(outcome.exit_code(), 4) << outcome.explain();
          EXPECT_EQ(test::leftovers(request.destination, {}), "");
          EXPECT_FALSE(must_succeed && traits.takes_locks && traits.handles_live_writer)
              << outcome.explain();
          continue;
        }
        ++copies;
        // With a -wal beside it, SQLite must find all frames by their checksums.
        sqlite::Connection copy(request.destination, form == ImageForm::folded
                                                         ? sqlite::OpenMode::immutable
                                                         : sqlite::OpenMode::read_write);
        EXPECT_EQ(copy.integer("SELECT sum(v) FROM a"), kit::zero_salt_live_sum(GetParam()))
            << outcome.explain();
        EXPECT_EQ(copy.text("PRAGMA integrity_check"), "ok");
      }
    }
    if (must_succeed) {
      EXPECT_GT(copies, 0);
    }
  }

  kit::TemporaryDirectory directory_;
  std::string source_ = directory_.file("source.db");
  Registry registry_;
};

TEST_P(ZeroSaltSource, WithALiveOwnerGivesTheLiveState) {
  const kit::WriterProcess owner = kit::make_zero_salt_wal(source_, GetParam());
  copy_by_all(true);
}

// Without a wal-index nothing tells whether these frames are committed.
TEST_P(ZeroSaltSource, WithAnExclusiveOwnerIsRefused) {
  const kit::WriterProcess owner =
      kit::make_zero_salt_wal(source_, GetParam(), LockingMode::exclusive);
  copy_by_all(false);
}

TEST_P(ZeroSaltSource, WithAKilledOwnerIsRefused) {
  kit::make_zero_salt_wal(source_, GetParam()).kill9();
  copy_by_all(false);
}

// Who comes after a dead owner rebuilds the wal-index by the checksums, and commits over what they
// do not cover, unless somebody is attached: we are.
TEST_P(ZeroSaltSource, WhoseOwnerDiesDuringTheCopyLosesNothingToTheNext) {
  kit::WriterProcess owner = kit::make_zero_salt_wal(source_, GetParam());
  constexpr std::int64_t kMore = 1000;
  const std::int64_t live_sum = kit::zero_salt_live_sum(GetParam());
  test::Owner next({[this](test::OwnerState& state) {
    state.open(source_, "PRAGMA wal_autocheckpoint=0");
    state.connection->execute("UPDATE a SET v = v + 1000 WHERE id = 1");
  }});
  bool has_come = false;
  test::Hooks hooks;
  hooks.middle = [&](const MoveJob&, RunContext&) {
    if (has_come) return;
    has_come = true;
    owner.kill9();
    next->run(0);
  };
  const std::string copy = directory_.file("copy.db");
  const Outcome outcome = test::run_request(test::request_of(source_, copy),
                                            test::hooked_strategy(make_lock_strategy, hooks));
  ASSERT_TRUE(outcome.ok()) << outcome.explain();
  const auto sum_of = [](const std::string& path, sqlite::OpenMode mode) {
    sqlite::Connection connection(path, mode);
    EXPECT_EQ(connection.text("PRAGMA integrity_check"), "ok");
    return connection.integer("SELECT sum(v) FROM a");
  };
  EXPECT_EQ(sum_of(source_, sqlite::OpenMode::read_only), live_sum + kMore);
  const std::int64_t sum = sum_of(copy, sqlite::OpenMode::immutable);
  EXPECT_TRUE(sum == live_sum || sum == live_sum + kMore) << sum;
}

INSTANTIATE_TEST_SUITE_P(Variants, ZeroSaltSource, ::testing::ValuesIn(kVariants),
                         [](const ::testing::TestParamInfo<ZeroSaltVariant>& test) {
                           return name_of(test.param);
                         });

// The index may be rebuilt while nobody of ours is attached: it has lost these frames then, and
// main has what was backfilled of them while it was copied.
class ZeroSaltWithoutLock : public ::testing::TestWithParam<test::MakeWrapper> {};

TEST_P(ZeroSaltWithoutLock, OfAnOwnerWhoDiesAndIsFollowedByAnotherAreNotHalfCopied) {
  if (!kit::sqlite_writes_zero_salts()) GTEST_SKIP() << "this SQLite does not have the bug";
  const kit::TemporaryDirectory directory;
  const std::string source = directory.file("source.db");
  std::optional<test::Owner> owner;
  owner.emplace(std::vector<test::OwnerTask>{
      [&](test::OwnerState& state) {
        state.connection.emplace(source, sqlite::OpenMode::create);
        state.connection->execute(
            "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL;"
            "PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0;"
            "PRAGMA cache_size = 10; CREATE TABLE b (v); CREATE TABLE c (v);"
            "CREATE TABLE a (id INTEGER PRIMARY KEY, v INTEGER NOT NULL,"
            " pad BLOB NOT NULL);"
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
            " WHERE i < 400) INSERT INTO a SELECT i, 0, zeroblob(900) FROM n;"
            "PRAGMA journal_size_limit = 0; PRAGMA wal_checkpoint(RESTART);"
            "INSERT INTO c VALUES (1);"
            "BEGIN; SAVEPOINT s; UPDATE a SET v = 3;"
            "UPDATE a SET v = 4 WHERE id > 300; ROLLBACK TO s; RELEASE s;"
            "INSERT INTO b VALUES (-7); UPDATE a SET v = 7 WHERE id = 400; COMMIT");
      },
      [](test::OwnerState& state) {
        if (state.connection->integer("PRAGMA wal_checkpoint(PASSIVE)") != 0) {
          throw std::runtime_error("the checkpoint was busy");
        }
      }});
  (*owner)->run(0);
  const kit::WalSurvey survey = kit::survey_wal(source + "-wal");
  ASSERT_EQ(survey.committed, 1U);
  ASSERT_GT(survey.zero_salt, 0U);
  test::Owner next({[&](test::OwnerState& state) {
    state.open(source, "PRAGMA wal_autocheckpoint=0");
    if (state.connection->integer("SELECT (SELECT sum(v) FROM a) + (SELECT sum(v) FROM b)") != 0) {
      throw std::runtime_error("the source has lost half a transaction");
    }
  }});
  bool has_come = false;
  test::Hooks hooks;
  hooks.middle = [&](const MoveJob&, RunContext&) {
    if (has_come) return;
    has_come = true;
    (*owner)->run(1);
    owner.reset();  // killed
    next->run(0);
  };
  CopyRequest request = test::request_of(source, directory.file("copy.db"));
  request.copy.copy_retry = 1;
  const Outcome outcome = test::run_request(request, test::hooked_strategy(GetParam(), hooks));
  ASSERT_TRUE(has_come);
  ASSERT_FALSE(outcome.ok()) << outcome.explain();
  EXPECT_EQ(outcome.error->code(), Errc::frames_without_checksum) << outcome.explain();
}

INSTANTIATE_TEST_SUITE_P(Strategies, ZeroSaltWithoutLock,
                         ::testing::Values(make_follow_strategy, make_retry_verify_strategy),
                         [](const ::testing::TestParamInfo<test::MakeWrapper>& test) {
                           return test.index == 0 ? "follow" : "retry_verify";
                         });

// The stale header: generation G is in main as a whole, the wal-index was restarted, but the writer
// failed before it wrote the header of G+1. What is valid of G by its checksums is short of what is
// in main, and would take it back.
class StaleHeader : public ZeroSaltSource {};

TEST_P(StaleHeader, OfAFailedWriterIsNotLaidOverMain) {
  // Survives exec and fork: the write fails with EFBIG instead.
  const auto old_action = std::signal(SIGXFSZ, SIG_IGN);
  const auto connection = std::make_shared<std::optional<sqlite::Connection>>();
  test::Child owner({[=, this] {
                       connection->emplace(source_, sqlite::OpenMode::create);
                       kit::run_zero_salt_recipe(**connection, GetParam());
                       if ((*connection)->integer("PRAGMA wal_checkpoint(FULL)") != 0) {
                         throw std::runtime_error("the checkpoint was busy");
                       }
                     },
                     [=] {
                       const rlimit nothing{0, RLIM_INFINITY};
                       if (::setrlimit(RLIMIT_FSIZE, &nothing) != 0)
                         throw std::runtime_error("setrlimit");
                       try {
                         (*connection)->execute("UPDATE a SET v = 1000 WHERE id = 1");
                       } catch (const Error&) {
                         return;
                       }
                       throw std::runtime_error("the write that was to fail did not");
                     }});
  owner.run(0);
  const std::string header_before = test::bytes_of(source_ + "-wal").substr(0, 32);
  owner.run(1);
  std::signal(SIGXFSZ, old_action);

  // The hole is really there.
  const std::string wal = test::bytes_of(source_ + "-wal");
  const std::string shm = test::bytes_of(source_ + "-shm");
  ASSERT_EQ(wal.substr(0, 32), header_before);
  const auto header = format::parse_wal_header(std::as_bytes(std::span(wal)).first(32));
  const auto index = format::parse_wal_index_header(
      std::as_bytes(std::span(shm)).first(format::kWalIndexHeaderSizeBytes));
  ASSERT_TRUE(header);
  ASSERT_TRUE(index);
  ASSERT_EQ(index->mx_frame, 0U);
  ASSERT_NE(index->salt, header->salt);
  if (kit::sqlite_writes_zero_salts()) {
    const kit::WalSurvey survey = kit::survey_wal(source_ + "-wal");
    ASSERT_LT(survey.committed, survey.frames);
  }
  copy_by_all(true);
}

INSTANTIATE_TEST_SUITE_P(Variants, StaleHeader, ::testing::ValuesIn(kVariants),
                         [](const ::testing::TestParamInfo<ZeroSaltVariant>& test) {
                           return name_of(test.param);
                         });

}  // namespace
}  // namespace sqlbk::copy
