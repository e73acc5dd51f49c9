// follow as a whole: the follower runs on a thread of its own beside the mover. What the follower
// itself must see is in wal_follower_test.cpp.
#include "strategy/follow.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>
#include <span>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "../../core/format/format_support.hpp"
#include "files.hpp"
#include "kit/checker.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "kit/zero_salt.hpp"
#include "scoped_sys.hpp"
#include "support/strategy_test.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using format_test::put_be32;
using test::Hooks;
using test::Outcome;
using test::Owner;
using test::OwnerState;
using test::OwnerTask;

class Follow : public test::StrategyTest {
 protected:
  Outcome copy(const Hooks& hooks = {}, unsigned attempts = 100,
               const CancelToken& cancel = test::kNeverCancelled) {
    CopyRequest request = test::request_of(source_, copy_);
    request.copy.copy_retry = attempts;
    return test::run_request(request, test::hooked_strategy(make_follow_strategy, hooks),
                             Deadline::after(120s), cancel);
  }
  void expect_good(const Outcome& outcome, std::uint64_t commits) {
    expect_copied(outcome, Verdict::proven, commits);
  }
};

// What is committed before main has been copied is in the copy: the last look comes after it.
TEST_F(Follow, HoldsWhatWasCommittedBeforeMainWasCopied) {
  make();
  Owner owner({open(), [](OwnerState& state) {
                 state.commit(10);
                 if (state.connection->integer("PRAGMA wal_checkpoint(PASSIVE)") != 0) {
                   throw std::runtime_error("busy");
                 }
               }});
  owner->run(0);
  const std::string header = test::bytes_of(source_ + "-wal").substr(0, 32);
  bool wrote = false;
  Hooks hooks;
  hooks.middle = [&](const MoveJob&, RunContext&) {
    if (!wrote) owner->run(1);
    wrote = true;
  };
  const Outcome outcome = copy(hooks);
  ASSERT_EQ(test::bytes_of(source_ + "-wal").substr(0, 32), header);
  expect_good(outcome, kCommits + 10);
  EXPECT_EQ(outcome.report.attempts, 1U) << outcome.explain();
}

class FollowResets : public Follow, public ::testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(Checkpoints, FollowResets,
                         ::testing::Values("PASSIVE", "FULL", "RESTART", "TRUNCATE"),
                         [](const ::testing::TestParamInfo<const char*>& test) {
                           return std::string(test.param);
                         });

// However fast the generations follow each other: each attempt fails, or is right.
TEST_P(FollowResets, AreFollowedOrFailTheAttempt) {
  make(kit::JournalMode::wal, true);
  Owner owner({open(), [](OwnerState& state) {
                 for (int i = 0; i < 4; ++i) {
                   state.commit(1 + i % 3);
                   state.connection->execute(std::string("PRAGMA wal_checkpoint(") + GetParam() +
                                             ")");
                 }
                 state.commit(1);
               }});
  owner->run(0);
  int acts = 0;
  Hooks hooks;
  hooks.before = hooks.middle = hooks.after = [&](const MoveJob&, RunContext&) {
    if (++acts <= 30) owner->run(1);
  };
  expect_good(copy(hooks), kCommits);
}

TEST_F(Follow, ADatabaseWithoutAWalIsNotForIt) {
  make(kit::JournalMode::delete_file);
  expect_refused(copy(), Errc::unsuitable);
}

TEST_F(Follow, ALeftWalIsFollowedAndTheSourceStaysAsItIs) {
  make();
  {
    Owner owner({open()});
    owner->run(0);
  }  // killed
  const test::SeenSource before = test::look_at_source(source_);
  expect_good(copy(), kCommits);
  EXPECT_EQ(test::difference(before, test::look_at_source(source_), true), "");
}

// Right checksums prove no sense: SQLite calls such a database damaged.
TEST_F(Follow, ACommitThatSaysMorePagesThanItCanHaveMadeIsDamage) {
  make();
  {
    Owner owner({open()});
    owner->run(0);
  }  // killed
  std::string bytes = test::bytes_of(source_ + "-wal");
  const std::span<std::byte> wal = std::as_writable_bytes(std::span(bytes));
  const format::ParsedWalHeader header =
      format::parse_wal_header(wal.first(format::kWalHeaderSizeBytes));
  ASSERT_TRUE(header);
  const auto size = static_cast<std::size_t>(format::wal_frame_size_bytes(header->page_size_bytes));
  format::WalChecksum sum = header->checksum;
  for (std::size_t at = format::kWalHeaderSizeBytes; at + size <= wal.size(); at += size) {
    const std::span<std::byte> frame = wal.subspan(at, size);
    if (format::parse_wal_frame_header(frame).is_commit()) put_be32(frame, 4, 1U << 28U);
    sum = format::wal_checksum(sum, frame.first(8), header->big_endian_checksum);
    sum = format::wal_checksum(sum, frame.subspan(format::kWalFrameHeaderSizeBytes),
                               header->big_endian_checksum);
    put_be32(frame, 16, sum.s0);
    put_be32(frame, 20, sum.s1);
  }
  test::write_text(source_ + "-wal", bytes);
  const Outcome outcome = copy();
  ASSERT_FALSE(outcome.ok()) << outcome.explain();
  EXPECT_EQ(outcome.error->code(), Errc::damaged) << outcome.explain();
}

TEST_F(Follow, AnExclusiveOwnerIsFollowedWithoutAnIndex) {
  make();
  Owner owner({[this](OwnerState& state) {
                 // Before anything is read: it never has an index in a file.
                 state.connection.emplace(source_, sqlite::OpenMode::read_write);
                 state.connection->execute("PRAGMA locking_mode=EXCLUSIVE");
                 state.connection->execute("PRAGMA wal_autocheckpoint=0");
                 state.commit(kCommits);
               },
               [](OwnerState& state) {
                 state.commit(3);
                 state.connection->execute("PRAGMA wal_checkpoint(PASSIVE)");
               }});
  owner->run(0);
  ASSERT_FALSE(fs::exists(source_ + "-shm"));
  bool wrote = false;
  Hooks hooks;
  hooks.middle = [&](const MoveJob&, RunContext&) {
    if (!wrote) owner->run(1);
    wrote = true;
  };
  expect_good(copy(hooks), kCommits + 3);
}

TEST_F(Follow, AWalThatGoesFailsTheAttemptAndOneThatComesIsFollowed) {
  make();
  Owner owner({open(), [this](OwnerState& state) {
                 state.close();  // checkpoints and removes it
                 state.open(source_, "PRAGMA wal_autocheckpoint=0");
                 state.commit(5);
               }});
  owner->run(0);
  bool went = false;
  Hooks hooks;
  hooks.middle = [&](const MoveJob&, RunContext&) {
    if (!went) owner->run(1);
    went = true;
  };
  const Outcome outcome = copy(hooks);
  expect_good(outcome, kCommits + 5);
  EXPECT_EQ(outcome.report.attempts, 2U);
}

TEST_F(Follow, AJournalBesideTheWalIsNotIgnored) {
  make();
  Owner owner({open()});
  owner->run(0);
  test::write_bytes(source_ + "-journal", std::string(1024, 'x'));
  expect_refused(copy({}, 3), Errc::source_changed);
  fs::remove(source_ + "-journal");
  int times = 0;
  Hooks hooks;
  hooks.middle = [&](const MoveJob&, RunContext&) {
    if (++times == 1) test::write_bytes(source_ + "-journal", std::string(1024, 'x'));
    if (times == 2) FAIL() << "the second attempt copies main beside an active journal";
  };
  expect_refused(copy(hooks, 3), Errc::source_changed);
}

TEST_F(Follow, ASourceThatIsReplacedIsNotMixed) {
  make();
  {
    // A live one would go on with the old file, for as long as it lives.
    Owner dead({open()});
    dead->run(0);
  }
  int times = 0;
  Hooks hooks;
  hooks.after = [&](const MoveJob&, RunContext&) {
    if (++times > 1) return;
    fs::copy_file(source_, source_ + "-other");
    fs::rename(source_ + "-other", source_);
  };
  const Outcome outcome = copy(hooks);
  ASSERT_TRUE(outcome.ok()) << outcome.explain();
  EXPECT_EQ(outcome.report.attempts, 2U);
}

// A WAL that grows as fast as it is read: each read behind its end finds as many commits as asked
// for.
struct EndlessWal {
  explicit EndlessWal(const format::WalScanner& end) : scanner(end) {}

  // The frames from `offset` on, if it is where the last call ended.
  bool read(std::span<std::byte> bytes, std::uint64_t offset) {
    const std::uint32_t page_size = scanner.header().page_size_bytes;
    const auto size = static_cast<std::size_t>(format::wal_frame_size_bytes(page_size));
    if (bytes.size() % size != 0) return false;  // the mover's, on its own thread
    if (offset != format::wal_frame_offset(scanner.valid_frames() + 1, page_size)) return false;
    const std::vector<std::byte> page(page_size);
    for (std::size_t at = 0; at < bytes.size(); at += size) {
      const auto head = format::encode_wal_frame_header(scanner.header(), scanner.chain(), 2,
                                                        scanner.committed_size_pages(), page);
      const std::span<std::byte> frame = bytes.subspan(at, size);
      std::ranges::copy(head, frame.begin());
      std::ranges::copy(page, frame.begin() + format::kWalFrameHeaderSizeBytes);
      EXPECT_TRUE(scanner.accept(frame));
    }
    is_read = true;
    return true;
  }

  format::WalScanner scanner;
  std::atomic<bool> is_open{false};
  std::atomic<bool> is_read{false};
};
std::optional<EndlessWal> endless_wal;

TEST_F(Follow, AThreadThatCannotCatchUpEndsWithTheRun) {
  make();
  Owner owner({open()});
  owner->run(0);
  const std::string bytes = test::bytes_of(source_ + "-wal");
  const format::Bytes wal = std::as_bytes(std::span(bytes));
  format::WalScanner end(*format::parse_wal_header(wal.first(format::kWalHeaderSizeBytes)));
  const auto size =
      static_cast<std::size_t>(format::wal_frame_size_bytes(end.header().page_size_bytes));
  for (std::size_t at = format::kWalHeaderSizeBytes; at + size <= wal.size(); at += size) {
    ASSERT_TRUE(end.accept(wal.subspan(at, size)));
  }
  endless_wal.emplace(end);
  test::ScopedSys patch;
  patch->pread = [](int fd, void* buffer, std::size_t count, off_t offset) {
    const std::span<std::byte> into(static_cast<std::byte*>(buffer), count);
    if (endless_wal->is_open && endless_wal->read(into, static_cast<std::uint64_t>(offset))) {
      return static_cast<ssize_t>(count);
    }
    return ::pread(fd, buffer, count, offset);
  };
  CancelToken cancel;
  Hooks hooks;
  hooks.middle = [](const MoveJob&, RunContext& context) {
    endless_wal->is_open = true;
    while (!endless_wal->is_read) context.sleep_for(1ms);
  };
  hooks.after = [&](const MoveJob&, RunContext&) { cancel.request(); };
  const Outcome outcome = copy(hooks, 1, cancel);
  ASSERT_FALSE(outcome.ok()) << outcome.explain();
  EXPECT_EQ(outcome.error->code(), Errc::interrupted) << outcome.explain();
}

TEST_F(Follow, FramesWithoutChecksumsThatNobodyOwnsEndTheAttemptsSoon) {
  if (!kit::sqlite_writes_zero_salts()) GTEST_SKIP() << "this SQLite has not the bug";
  kit::make_zero_salt_wal(source_, kit::ZeroSaltVariant::plain).kill9();
  const Outcome outcome = copy({}, 1000);
  expect_refused(outcome, Errc::frames_without_checksum);
  EXPECT_EQ(outcome.report.attempts, 3U);
}

}  // namespace
}  // namespace sqlbk::copy
