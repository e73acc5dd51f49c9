#include "kit/writer_process.hpp"

#include <array>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <signal.h>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <tuple>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "kit/zero_salt.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/sqlite.hpp"

namespace sqlbk::kit {
namespace {

using namespace std::chrono_literals;

// Generous: only a test that fails ever waits that long.
constexpr auto kSoon = 120s;

class LiveDatabase {
 public:
  explicit LiveDatabase(JournalMode mode = JournalMode::wal) {
    DatabaseOptions options;
    options.size_mb = 1;
    options.journal_mode = mode;
    create_database(path(), options);
    writer_.database = path();
    writer_.journal_mode = mode;
    writer_.synchronous = Synchronous::off;
    writer_.busy_timeout = 60s;
    writer_.pause = 200us;
  }

  std::string path() const { return directory_.file("live.db"); }
  std::string copy() const { return directory_.file("copy.db"); }
  // Options of a writer on it.
  LiveWriterOptions writer(std::uint64_t id = 1) const {
    LiveWriterOptions options = writer_;
    options.writer_id = id;
    return options;
  }

 private:
  TemporaryDirectory directory_;
  LiveWriterOptions writer_;
};

std::string camel(std::string_view word) {
  std::string name(word);
  name[0] = static_cast<char>(name[0] - 'a' + 'A');
  return name;
}

class WritersInMode : public testing::TestWithParam<std::tuple<JournalMode, LockingMode>> {};

TEST_P(WritersInMode, CommitWithoutErrorsAndTellTheTruth) {
  const auto [mode, locking] = GetParam();
  const LiveDatabase database(mode);
  std::vector<WriterProcess> writers;
  const std::uint64_t count = locking == LockingMode::exclusive ? 1 : 3;
  for (std::uint64_t id = 1; id <= count; ++id) {
    LiveWriterOptions options = database.writer(id);
    options.locking = locking;
    options.cache_pages = 10;  // spills
    options.transaction.rows = 20;
    options.transaction.vary_rows = true;
    options.transaction.savepoints = options.transaction.rollbacks = mode != JournalMode::off;
    writers.emplace_back(options);
  }
  for (const WriterProcess& writer : writers) writer.wait_for_commits(20, kSoon);
  EXPECT_EQ(std::filesystem::exists(database.path() + "-shm"),
            mode == JournalMode::wal && locking == LockingMode::normal);
  std::vector<Committed> told;
  for (WriterProcess& writer : writers) {
    const Counters last = writer.stop();
    EXPECT_EQ(last.busy_errors, 0U);
    EXPECT_EQ(last.commits, last.committed);
    EXPECT_EQ(last.state, WriterState::stopped);
    EXPECT_GT(last.worst_stall, 0ns);
    EXPECT_GE(last.stall_percentile(1.0), last.worst_stall);
    told.push_back(writer.committed());
  }
  const CheckResult result = check_source(database.path(), told);
  EXPECT_TRUE(result.good()) << result.explain();
  EXPECT_EQ(result.committed, told);
}

INSTANTIATE_TEST_SUITE_P(
    Modes, WritersInMode,
    testing::Combine(testing::Values(JournalMode::wal, JournalMode::delete_file,
                                     JournalMode::truncate, JournalMode::persist,
                                     JournalMode::memory, JournalMode::off),
                     testing::Values(LockingMode::normal, LockingMode::exclusive)),
    [](const testing::TestParamInfo<WritersInMode::ParamType>& test) {
      return camel(to_string(std::get<0>(test.param))) + camel(to_string(std::get<1>(test.param)));
    });

class CheckpointersInMode : public testing::TestWithParam<CheckpointMode> {};

TEST_P(CheckpointersInMode, WorkBesideAWriterAndInsideOne) {
  const LiveDatabase database;
  LiveWriterOptions inside = database.writer();
  inside.checkpoint = GetParam();
  inside.checkpoint_every = 1ms;
  LiveWriterOptions beside = inside;
  beside.role = Role::checkpointer;
  WriterProcess writer(inside);
  WriterProcess checkpointer(beside);
  writer.wait_for_commits(50, kSoon);
  const Counters writes = writer.stop();
  const Counters checkpoints = checkpointer.stop();
  EXPECT_GT(writes.checkpoints + writes.busy_checkpoints, 0U);
  EXPECT_GT(checkpoints.checkpoints + checkpoints.busy_checkpoints, 0U);
  EXPECT_EQ(checkpoints.commits, 0U);
  const CheckResult result =
      check_source(database.path(), std::vector<Committed>{writer.committed()});
  EXPECT_TRUE(result.good()) << result.explain();
}

INSTANTIATE_TEST_SUITE_P(Modes, CheckpointersInMode,
                         testing::Values(CheckpointMode::passive, CheckpointMode::full,
                                         CheckpointMode::restart, CheckpointMode::truncate),
                         [](const testing::TestParamInfo<CheckpointMode>& test) {
                           return camel(to_string(test.param));
                         });

TEST(WriterProcess, IsReadyWhenItHasCommitted) {
  const LiveDatabase database;
  const WriterProcess writer(database.writer());
  EXPECT_GE(writer.committed().sequence, 1U);
  EXPECT_EQ(writer.committed().writer, 1U);
  EXPECT_TRUE(writer.running());
}

TEST(WriterProcess, PausedItCommitsNothing) {
  const LiveDatabase database;
  WriterProcess writer(database.writer());
  writer.pause();
  const std::uint64_t before = writer.counters().commits;
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(writer.counters().commits, before);
  writer.resume();
  writer.wait_for_commits(before + 1, kSoon);
  writer.pause();
  writer.stop();
  EXPECT_FALSE(writer.running());
}

TEST(WriterProcess, AfterALimitedNumberItStaysConnected) {
  const LiveDatabase database;
  LiveWriterOptions options = database.writer();
  options.transactions = 7;
  WriterProcess writer(options);
  writer.wait_for_state(WriterState::staying, kSoon);
  EXPECT_EQ(writer.committed().sequence, 7U);
  EXPECT_TRUE(std::filesystem::exists(database.path() + "-wal"));
  EXPECT_EQ(writer.stop().commits, 7U);
  EXPECT_FALSE(std::filesystem::exists(database.path() + "-wal"));
}

TEST(WriterProcess, ANewOneGoesOnWhereTheLastStopped) {
  const LiveDatabase database;
  LiveWriterOptions options = database.writer();
  options.transactions = 3;
  for (std::uint64_t round = 1; round <= 2; ++round) {
    WriterProcess writer(options);
    writer.wait_for_state(WriterState::staying, kSoon);
    const Counters last = writer.stop();
    EXPECT_EQ(last.commits, 3U);
    EXPECT_EQ(last.committed, 3 * round);
  }
}

class HoldersInMode : public testing::TestWithParam<JournalMode> {};

// Half a transaction in the main file and everything quiet: a copy without the journal is torn.
TEST_P(HoldersInMode, LeaveHalfATransactionInTheFile) {
  const LiveDatabase database(GetParam());
  LiveWriterOptions options = database.writer();
  options.cache_pages = 5;
  options.transaction.rows = 200;
  options.transactions = 2;
  options.after_last = AfterLast::hold;
  WriterProcess writer(options);
  writer.wait_for_state(WriterState::holding, kSoon);
  std::filesystem::copy_file(database.path(), database.copy());
  EXPECT_EQ(check_copy(database.copy()).verdict, CopyVerdict::torn);
  writer.stop();
  const CheckResult result =
      check_source(database.path(), std::vector<Committed>{writer.committed()});
  EXPECT_TRUE(result.good()) << result.explain();
  EXPECT_EQ(writer.committed().sequence, GetParam() == JournalMode::off ? 3U : 2U);
}

INSTANTIATE_TEST_SUITE_P(Modes, HoldersInMode,
                         testing::Values(JournalMode::delete_file, JournalMode::memory,
                                         JournalMode::off),
                         [](const testing::TestParamInfo<JournalMode>& test) {
                           return camel(to_string(test.param));
                         });

TEST(WriterProcess, KilledItLosesNoCommit) {
  const LiveDatabase database;
  WriterProcess writer(database.writer());
  writer.wait_for_commits(10, kSoon);
  const Counters last = writer.kill9();
  EXPECT_FALSE(writer.running());
  const CheckResult result =
      check_source(database.path(), std::vector<Committed>{{1, last.committed}});
  EXPECT_TRUE(result.good()) << result.explain();
}

TEST(WriterProcess, TheDestructorLeavesNoProcess) {
  const LiveDatabase database;
  pid_t pid = 0;
  {
    const WriterProcess writer(database.writer());
    pid = writer.pid();
    ASSERT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(WriterProcess, InWalModeAHeldTransactionIsBehindTheLastCommit) {
  const LiveDatabase database;
  LiveWriterOptions options = database.writer();
  options.cache_pages = 5;
  options.transaction.rows = 200;
  options.transactions = 2;
  options.after_last = AfterLast::hold;
  const WriterProcess writer(options);
  writer.wait_for_state(WriterState::holding, kSoon);
  const WalSurvey wal = survey_wal(database.path() + "-wal");
  EXPECT_GT(wal.frames, wal.committed);
  std::filesystem::copy_file(database.path(), database.copy());
  std::filesystem::copy_file(database.path() + "-wal", database.copy() + "-wal");
  const CheckResult result = check_copy(database.copy(), std::vector<Committed>{{1, 2}});
  EXPECT_TRUE(result.good()) << result.explain();
}

TEST(WriterProcess, MayEndByItself) {
  const LiveDatabase database;
  LiveWriterOptions options = database.writer();
  options.transactions = 2;
  options.after_last = AfterLast::exit;
  WriterProcess writer(options);
  writer.wait_for_state(WriterState::stopped, kSoon);
  while (writer.running()) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(writer.stop().committed, 2U);
}

TEST(WriterProcess, TheEndOfStandardInputEndsItWell) {
  const LiveDatabase database;
  const char* program = std::getenv("SQLBK_LIVE_WRITER");
  ASSERT_NE(program, nullptr);
  const std::string command =
      std::string(program) + " --db " + database.path() + " </dev/null >/dev/null";
  EXPECT_EQ(std::system(command.c_str()), 0);
  const CheckResult result = check_source(database.path());
  EXPECT_TRUE(result.good()) << result.explain();
  EXPECT_FALSE(result.committed.empty());
}

TEST(WriterProcess, DiesWithItsParent) {
  const LiveDatabase database;
  // Orphans become our children, so that we see them end.
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd from_parent(ends[0]);
  UniqueFd to_us(ends[1]);
  const pid_t parent = ::fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    const WriterProcess writer(database.writer());
    const pid_t pid = writer.pid();
    ::_exit(::write(to_us.get(), &pid, sizeof pid) == sizeof pid ? 0 : 1);
  }
  to_us.reset();
  pid_t orphan = 0;
  ASSERT_EQ(::read(from_parent.get(), &orphan, sizeof orphan), static_cast<ssize_t>(sizeof orphan));
  int parent_status = 1;
  ASSERT_EQ(::waitpid(parent, &parent_status, 0), parent);
  EXPECT_EQ(parent_status, 0);
  EXPECT_EQ(::waitpid(orphan, nullptr, 0), orphan) << "it ends, or this waits for ever";
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

TEST(WriterProcess, UsesTheVfsAskedFor) {
  const LiveDatabase database(JournalMode::delete_file);
  LiveWriterOptions options = database.writer();
  options.vfs = "unix-dotfile";
  options.locking = LockingMode::exclusive;
  WriterProcess writer(options);
  EXPECT_TRUE(std::filesystem::exists(database.path() + ".lock"));
  writer.stop();
  options.vfs = "no-such-vfs";
  EXPECT_THROW(WriterProcess{options}, Error);
}

TEST(WriterProcess, WaitsBehindALockAndSaysSo) {
  const LiveDatabase database;
  LiveWriterOptions options = database.writer();
  options.busy_timeout = 1ms;
  WriterProcess writer(options);
  sqlite::Connection other(database.path(), sqlite::OpenMode::read_write);
  other.execute("PRAGMA busy_timeout = 60000; BEGIN IMMEDIATE");
  const std::uint64_t before = writer.counters().commits;
  const std::uint64_t busy = writer.counters().busy_errors;
  while (writer.counters().busy_errors < busy + 3) std::this_thread::sleep_for(1ms);
  // The commit that was under way when we got the lock may have been counted since.
  EXPECT_LE(writer.counters().commits, before + 1);
  EXPECT_GE(writer.status().take_window_worst_stall(), 2ms);
  other.execute("COMMIT");
  writer.wait_for_commits(before + 2, kSoon);
  EXPECT_EQ(writer.stop().other_errors, 0U) << "being busy is no error";
}

TEST(WriterProcess, WhatNoOwnerMustSeeIsThrownByStop) {
  const LiveDatabase database;
  WriterProcess writer(database.writer());
  {
    sqlite::Connection vandal(database.path(), sqlite::OpenMode::read_write);
    vandal.execute("PRAGMA busy_timeout = 60000; UPDATE counter SET seq = seq + 1000");
  }
  writer.wait_for_commits(1, kSoon);
  while (writer.counters().other_errors == 0) std::this_thread::sleep_for(1ms);
  try {
    writer.stop();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("committed"), std::string::npos) << error.what();
  }
}

TEST(WriterProcess, SaysWhyItCannotStart) {
  const TemporaryDirectory directory;
  LiveWriterOptions options;
  options.database = directory.file("missing.db");
  try {
    const WriterProcess writer(options);
    FAIL() << "it started";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("unable to open"), std::string::npos) << error.what();
  }
  EXPECT_THROW(WriterProcess(options, Launch{directory.file("no-program")}), Error);
}

TEST(WriterProcess, AnIdleOwnerKeepsAnyDatabaseOpenAndItsWal) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("any.db");
  {
    sqlite::Connection connection(path, sqlite::OpenMode::create);
    connection.disable_checkpoint_on_close();
    connection.execute("PRAGMA journal_mode = WAL; CREATE TABLE t (x)");
    connection.close();
  }
  const auto wal_bytes = std::filesystem::file_size(path + "-wal");
  LiveWriterOptions options;
  options.database = path;
  options.role = Role::idle;
  options.keep_wal = true;
  WriterProcess idle(options);
  idle.wait_for_state(WriterState::staying, kSoon);
  {
    // Not the last to close: nothing is checkpointed, although it is left to SQLite.
    sqlite::Connection other(path, sqlite::OpenMode::read_write);
    EXPECT_EQ(other.integer("SELECT count(*) FROM t"), 0);
  }
  EXPECT_EQ(std::filesystem::file_size(path + "-wal"), wal_bytes);
  EXPECT_EQ(idle.stop().commits, 0U);
  EXPECT_EQ(std::filesystem::file_size(path + "-wal"), wal_bytes);
}

TEST(WriterProcess, SeveralArePartOfOneFloor) {
  const LiveDatabase database;
  std::vector<WriterProcess> writers;
  for (std::uint64_t id = 1; id <= 2; ++id) {
    LiveWriterOptions options = database.writer(id);
    options.transactions = id;
    writers.emplace_back(options);
    writers.back().wait_for_state(WriterState::staying, kSoon);
  }
  LiveWriterOptions checkpointer = database.writer(9);
  checkpointer.role = Role::checkpointer;
  checkpointer.checkpoint = CheckpointMode::passive;
  writers.emplace_back(checkpointer);
  EXPECT_EQ(committed_by(writers), (std::vector<Committed>{{1, 1}, {2, 2}}));
}

}  // namespace
}  // namespace sqlbk::kit
