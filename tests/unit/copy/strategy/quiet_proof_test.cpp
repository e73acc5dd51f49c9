// The quiet proof: everything that writes to a file of the set is seen, whatever it writes, and a
// quiet file that may hold half a transaction is refused.
#include "strategy/quiet_proof.hpp"

#include <chrono>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <functional>

#include <gtest/gtest.h>

#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "kit/writer_process.hpp"
#include "scoped_sys.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "support/child.hpp"
#include "support/source_files.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using test::bytes_of;
using test::write_bytes;

constexpr auto kSoon = 120s;

class Quiet : public ::testing::Test {
 protected:
  void make_database(kit::JournalMode mode) {
    kit::DatabaseOptions options;
    options.size_mb = 1;
    options.journal_mode = mode;
    kit::create_database(path_, options);
  }
  kit::WriterProcess owner(kit::JournalMode mode, kit::LockingMode locking,
                           kit::AfterLast after_last) {
    make_database(mode);
    kit::LiveWriterOptions options;
    options.database = path_;
    options.journal_mode = mode;
    options.locking = locking;
    options.synchronous = kit::Synchronous::off;
    options.transactions = 3;
    options.after_last = after_last;
    options.cache_pages = 10;  // spills
    options.transaction.rows = 40;
    kit::WriterProcess writer(options);
    writer.wait_for_state(
        after_last == kit::AfterLast::hold ? kit::WriterState::holding : kit::WriterState::staying,
        kSoon);
    return writer;
  }
  void begin() {
    files_.emplace(path_);
    proof_.emplace(*files_, context_);
  }
  // The code of the error by which the proof begins or ends; nullopt: it holds.
  std::optional<Errc> failure_of(const std::function<void()>& work) {
    try {
      work();
      return std::nullopt;
    } catch (const Error& error) {
      message_ = error.what();
      return error.code();
    }
  }
  std::optional<Errc> begin_failure() {
    return failure_of([this] { begin(); });
  }
  std::optional<Errc> finish_failure() {
    return failure_of([this] { proof_->finish(); });
  }

  kit::TemporaryDirectory directory_;
  std::string path_ = directory_.file("source.db");
  Progress progress_;
  CancelToken cancel_;
  RunContext context_{progress_, cancel_, {.deadline = Deadline::after(60s)}};
  std::optional<LiveFiles> files_;
  std::optional<QuietProof> proof_;
  std::string message_;
};

TEST_F(Quiet, HoldsWhereNobodyWrites) {
  for (const char* sidecar : {"", "-wal", "-journal"}) {
    fs::remove(path_);
    make_database(kit::JournalMode::delete_file);
    if (*sidecar != '\0') write_bytes(path_ + sidecar, std::string(512, '\0'));
    begin();
    EXPECT_EQ(finish_failure(), std::nullopt) << sidecar << ": " << message_;
    EXPECT_TRUE(proof_->assumptions().empty());
    if (*sidecar != '\0') fs::remove(path_ + sidecar);
  }
}

TEST_F(Quiet, ReadingIsNotWriting) {
  make_database(kit::JournalMode::delete_file);
  begin();
  EXPECT_EQ(bytes_of(path_).size(), fs::file_size(path_));
  EXPECT_EQ(finish_failure(), std::nullopt) << message_;
}

// A kind of write, to a file that is there.
struct Change {
  const char* name;
  void (*make)(const std::string& path);
};

void overwrite(const std::string& path, std::size_t offset, const std::string& bytes) {
  const UniqueFd fd = open_at(AT_FDCWD, path, O_WRONLY, 0, path);
  write_all(fd.get(), std::as_bytes(std::span(bytes)), offset, path);
}

const Change kChanges[] = {
    {"the_same_bytes",
     [](const std::string& path) { overwrite(path, 100, bytes_of(path).substr(100, 16)); }},
    {"other_bytes", [](const std::string& path) { overwrite(path, 400, "other bytes"); }},
    {"other_bytes_and_back",
     [](const std::string& path) {
       const std::string old = bytes_of(path).substr(400, 5);
       overwrite(path, 400, "other");
       overwrite(path, 400, old);
     }},
    {"append", [](const std::string& path) { overwrite(path, fs::file_size(path), "more"); }},
    {"shorten", [](const std::string& path) { fs::resize_file(path, fs::file_size(path) - 1); }},
    {"empty", [](const std::string& path) { fs::resize_file(path, 0); }},
    {"shorten_and_lengthen",
     [](const std::string& path) {
       const std::uintmax_t size = fs::file_size(path);
       fs::resize_file(path, size - 1);
       fs::resize_file(path, size);
     }},
    {"unlink", [](const std::string& path) { fs::remove(path); }},
    {"an_equal_file_by_rename",
     [](const std::string& path) {
       write_bytes(path + ".new", bytes_of(path));
       fs::last_write_time(path + ".new", fs::last_write_time(path));
       fs::rename(path + ".new", path);
     }},
    {"unlink_and_create",
     [](const std::string& path) {
       const std::string bytes = bytes_of(path);
       fs::remove(path);
       write_bytes(path, bytes);
     }},
    {"mtime_set_back",
     [](const std::string& path) {
       const auto time = fs::last_write_time(path);
       overwrite(path, 400, "other bytes");
       fs::last_write_time(path, time);
     }},
};

class QuietChanges : public Quiet,
                     public ::testing::WithParamInterface<std::tuple<const char*, Change>> {};

TEST_P(QuietChanges, AreSeen) {
  const auto& [suffix, change] = GetParam();
  make_database(kit::JournalMode::delete_file);
  if (*suffix != '\0') write_bytes(path_ + suffix, std::string(1024, '\0'));
  begin();
  change.make(path_ + suffix);
  EXPECT_EQ(finish_failure(), Errc::source_changed) << message_;
}

INSTANTIATE_TEST_SUITE_P(Files, QuietChanges,
                         ::testing::Combine(::testing::Values("", "-wal", "-journal"),
                                            ::testing::ValuesIn(kChanges)),
                         [](const ::testing::TestParamInfo<QuietChanges::ParamType>& test) {
                           const std::string suffix = std::get<0>(test.param);
                           return (suffix.empty() ? "main" : suffix.substr(1)) + "_" +
                                  std::get<1>(test.param).name;
                         });

TEST_F(Quiet, ASidecarThatAppearsIsSeen) {
  make_database(kit::JournalMode::delete_file);
  for (const char* sidecar : {"-wal", "-journal"}) {
    begin();
    write_bytes(path_ + sidecar, "");
    EXPECT_EQ(finish_failure(), Errc::source_changed) << sidecar;
    fs::remove(path_ + sidecar);
  }
}

TEST_F(Quiet, AWriteRightBehindTheStartIsSeen) {
  make_database(kit::JournalMode::delete_file);
  // The clock that stamps files ticks every few milliseconds: the wait at the start is for this.
  for (int i = 0; i < 20; ++i) {
    overwrite(path_, 4000, "a");
    begin();
    overwrite(path_, 4000, "b");
    EXPECT_EQ(finish_failure(), Errc::source_changed) << i;
  }
}

TEST_F(Quiet, GivesUpOnASetThatNeverHoldsStill) {
  make_database(kit::JournalMode::delete_file);
  test::ScopedSys patch;
  // Each look finds it written to anew.
  static int fd;
  const UniqueFd writing = open_at(AT_FDCWD, path_, O_WRONLY, 0, path_);
  fd = writing.get();
  patch->fstatat = [](int dir, const char* name, struct stat* out, int flags) {
    if (::pwrite(fd, "x", 1, 4000) != 1) return -1;
    return ::fstatat(dir, name, out, flags);
  };
  EXPECT_EQ(begin_failure(), Errc::source_changed) << message_;
}

// --- Locks: a quiet file is not a committed file.

TEST_F(Quiet, AReservedLockWithoutAJournalIsBusy) {
  make_database(kit::JournalMode::delete_file);
  const auto connection = std::make_shared<std::optional<sqlite::Connection>>();
  test::Child child({[=, this] {
                       connection->emplace(path_, sqlite::OpenMode::read_write);
                       (*connection)->execute("BEGIN IMMEDIATE");
                     },
                     [=] { (*connection)->execute("ROLLBACK"); }});
  child.run(0);
  ASSERT_FALSE(fs::exists(path_ + "-journal"));
  EXPECT_EQ(begin_failure(), Errc::source_busy) << message_;
  EXPECT_NE(message_.find(std::to_string(child.pid())), std::string::npos) << message_;
  child.run(1);
  EXPECT_EQ(begin_failure(), std::nullopt) << message_;
  EXPECT_EQ(finish_failure(), std::nullopt) << message_;
  // It comes back inside the window.
  begin();
  child.run(0);
  EXPECT_EQ(finish_failure(), Errc::source_busy) << message_;
}

TEST_F(Quiet, AReaderIsNoWriter) {
  make_database(kit::JournalMode::delete_file);
  const auto connection = std::make_shared<std::optional<sqlite::Connection>>();
  test::Child child({[=, this] {
    connection->emplace(path_, sqlite::OpenMode::read_only);
    (*connection)->execute("BEGIN");
    static_cast<void>((*connection)->integer("SELECT count(*) FROM account"));
  }});
  child.run(0);
  EXPECT_EQ(begin_failure(), std::nullopt) << message_;
  EXPECT_EQ(finish_failure(), std::nullopt) << message_;
}

// The VFS unix-excl, as Firefox uses it: a write lock on all of SHARED from the first read on, and
// never another. It says nothing of a transaction.
TEST_F(Quiet, AnOwnerByUnixExclIsTakenToJournalHere) {
  make_database(kit::JournalMode::delete_file);
  const auto connection = std::make_shared<std::optional<sqlite::Connection>>();
  test::Child child({[=, this] {
                       connection->emplace(path_, sqlite::OpenMode::read_write, "unix-excl");
                       (*connection)->execute("PRAGMA synchronous=OFF; PRAGMA cache_size=10");
                       static_cast<void>((*connection)->integer("SELECT count(*) FROM account"));
                     },
                     [=] { (*connection)->execute("UPDATE account SET balance = balance + 1"); },
                     [=] { (*connection)->execute("BEGIN; UPDATE account SET balance = 7"); },
                     [=] { (*connection)->execute("ROLLBACK"); }});
  for (const std::size_t task : {0U, 1U}) {
    child.run(task);
    ASSERT_FALSE(fs::exists(path_ + "-journal"));
    ASSERT_EQ(begin_failure(), std::nullopt) << message_;
    ASSERT_EQ(finish_failure(), std::nullopt) << message_;
    EXPECT_TRUE(proof_->rests_on_journal());
    ASSERT_EQ(proof_->assumptions().size(), 1U);
    const Assumption& assumption = proof_->assumptions().front();
    EXPECT_EQ(assumption.kind, AssumptionKind::journals_here);
    for (const std::string& part :
         {std::to_string(child.pid()), std::string("unix-excl"), path_ + "-journal"}) {
      EXPECT_NE(assumption.sentence.find(part), std::string::npos) << assumption.sentence;
    }
  }
  // A transaction that has spilled: its journal, and nothing else, tells.
  child.run(2);
  ASSERT_TRUE(fs::exists(path_ + "-journal"));
  ASSERT_EQ(begin_failure(), std::nullopt) << message_;
  EXPECT_EQ(proof_->facts().journal_state, format::JournalState::active);
  EXPECT_EQ(finish_failure(), std::nullopt) << message_;
  EXPECT_TRUE(proof_->assumptions().empty());
  // One that begins or ends inside the window.
  begin();
  child.run(3);
  EXPECT_EQ(finish_failure(), Errc::source_changed) << message_;
  begin();
  child.run(1);
  EXPECT_EQ(finish_failure(), Errc::source_changed) << message_;
}

class QuietOwners : public Quiet,
                    public ::testing::WithParamInterface<
                        std::tuple<kit::JournalMode, kit::LockingMode, kit::AfterLast>> {};

// What may be accepted: the table of consistency-rules, section 6.3.
TEST_P(QuietOwners, AreAcceptedOnlyWhereAJournalWouldTell) {
  const auto [mode, locking, after_last] = GetParam();
  const kit::WriterProcess writer = owner(mode, locking, after_last);
  const bool holding = after_last == kit::AfterLast::hold;
  const bool exclusive = locking == kit::LockingMode::exclusive;
  const bool journals = mode != kit::JournalMode::memory && mode != kit::JournalMode::off;
  const std::optional<Errc> failure = begin_failure();
  if (!journals && (holding || exclusive)) {
    EXPECT_EQ(failure, Errc::source_busy) << message_;
    return;
  }
  ASSERT_EQ(failure, std::nullopt) << message_;
  EXPECT_EQ(finish_failure(), std::nullopt) << message_;
  // An EXCLUSIVE owner beside an inactive journal has it open.
  EXPECT_EQ(proof_->rests_on_journal(), exclusive && !holding && mode != kit::JournalMode::wal);
  EXPECT_TRUE(proof_->assumptions().empty());
  const bool active = holding && mode != kit::JournalMode::wal;
  EXPECT_EQ(proof_->facts().journal_state == format::JournalState::active, active);
}

INSTANTIATE_TEST_SUITE_P(
    Modes, QuietOwners,
    ::testing::Combine(::testing::Values(kit::JournalMode::wal, kit::JournalMode::delete_file,
                                         kit::JournalMode::truncate, kit::JournalMode::persist,
                                         kit::JournalMode::memory, kit::JournalMode::off),
                       ::testing::Values(kit::LockingMode::normal, kit::LockingMode::exclusive),
                       ::testing::Values(kit::AfterLast::stay, kit::AfterLast::hold)),
    [](const ::testing::TestParamInfo<QuietOwners::ParamType>& test) {
      return std::string(to_string(std::get<0>(test.param))) + "_" +
             std::string(to_string(std::get<1>(test.param))) + "_" +
             std::string(to_string(std::get<2>(test.param)));
    });

// --- Time stamps of the future, as a clock that was set back leaves them.

std::int64_t now_ns() {
  timespec now{};
  static_cast<void>(::clock_gettime(CLOCK_REALTIME, &now));
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Shows one change time of a file as another one; a later change shows as it is.
std::int64_t shown_instead_of;
std::int64_t shown;

void show(struct stat* out) {
  const std::int64_t found =
      std::int64_t{out->st_ctim.tv_sec} * 1'000'000'000 + out->st_ctim.tv_nsec;
  if (found != shown_instead_of) return;
  out->st_ctim = {.tv_sec = shown / 1'000'000'000, .tv_nsec = shown % 1'000'000'000};
}

class QuietInTheFuture : public Quiet {
 protected:
  void show_ctime_ahead(std::chrono::nanoseconds ahead) {
    shown_instead_of = stat_path(path_)->ctime_ns;
    shown = now_ns() + ahead.count();
    patch_->fstat = [](int fd, struct stat* out) {
      const int result = ::fstat(fd, out);
      show(out);
      return result;
    };
    patch_->fstatat = [](int dir, const char* name, struct stat* out, int flags) {
      const int result = ::fstatat(dir, name, out, flags);
      show(out);
      return result;
    };
  }
  test::ScopedSys patch_;
};

TEST_F(QuietInTheFuture, ItWaitsUntilTheStampHasPassed) {
  make_database(kit::JournalMode::delete_file);
  show_ctime_ahead(300ms);
  begin();
  EXPECT_GT(now_ns(), shown);
  EXPECT_EQ(finish_failure(), std::nullopt) << message_;
}

TEST_F(QuietInTheFuture, FarAheadItNeedsNoWaitAndAWriteIsStillSeen) {
  make_database(kit::JournalMode::delete_file);
  show_ctime_ahead(1h);
  begin();
  EXPECT_EQ(finish_failure(), std::nullopt) << message_;
  begin();
  overwrite(path_, 4000, "x");
  EXPECT_EQ(finish_failure(), Errc::source_changed) << message_;
}

// A write at that very time would not show: the window must not reach into the tick of the stamp.
TEST_F(QuietInTheFuture, AStampThatComesTrueInTheWindowIsNoProof) {
  make_database(kit::JournalMode::delete_file);
  do {
    show_ctime_ahead(5s + 400ms);
    begin();
  } while (shown - now_ns() < std::chrono::nanoseconds(5s + 100ms).count());  // begun too slowly
  test::wait_until(
      [] { return shown - now_ns() < std::chrono::nanoseconds(5s).count() - 20'000'000; },
      "the clock");
  EXPECT_EQ(finish_failure(), Errc::source_changed) << message_;
}

// Nor may it end behind that tick: what was written in it would not show either.
TEST_F(QuietInTheFuture, AStampThatIsPastAtTheEndOfTheWindowIsNoProof) {
  make_database(kit::JournalMode::delete_file);
  do {
    show_ctime_ahead(5s + 400ms);
    begin();
  } while (shown - now_ns() < std::chrono::nanoseconds(5s + 100ms).count());  // begun too slowly
  test::wait_until([] { return now_ns() - shown > 50'000'000; }, "the clock");
  EXPECT_EQ(finish_failure(), Errc::source_changed) << message_;
}

}  // namespace
}  // namespace sqlbk::copy
