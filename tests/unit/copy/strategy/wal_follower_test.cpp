// Traps for who follows a WAL. While a follower looks and main is copied half before and half after
// it, an owner in another process does what tears a copy of a careless one. Each trap must fail the
// attempt, or leave exactly what SQLite reads.
#include "strategy/wal_follower.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <ostream>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/zero_salt.hpp"
#include "remote_sqlite.hpp"
#include "scoped_sys.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "sqlbk/format/db_header.hpp"

namespace sqlbk::copy {
namespace {

namespace fs = std::filesystem;
using test::Buffer;
using test::RemoteSqlite;

constexpr std::uint32_t kPageSize = 1024;
constexpr std::uint64_t kFrameSize = format::wal_frame_size_bytes(kPageSize);
constexpr const char* kDump =
    "SELECT group_concat(id || '=' || v) FROM (SELECT id, v FROM a ORDER BY id)";

// A row is a page and a little: what changes one row of `a` writes one frame.
class Follower : public ::testing::Test {
 protected:
  void make(const std::string& first = "", int rows = 40) {
    owner_.emplace(path_);
    sql("PRAGMA page_size=1024;" + first +
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
        "PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=5");
    sql("CREATE TABLE a (id INTEGER PRIMARY KEY, v INTEGER NOT NULL, pad BLOB NOT NULL);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
        std::to_string(rows) + ") INSERT INTO a SELECT i, 0, zeroblob(900) FROM n");
  }
  // A second generation of three commits; behind them lie the frames of a longer first one.
  void make_second_generation(const std::string& first = "") {
    make(first);
    backfill();
    for (int row = 1; row <= 3; ++row) set(row, 1);
  }
  void sql(const std::string& statements) { static_cast<void>(owner_->run(statements)); }
  void set(int row, int value) {
    sql("UPDATE a SET v=" + std::to_string(value) + " WHERE id=" + std::to_string(row));
  }
  void backfill() {
    if (owner_->run("PRAGMA wal_checkpoint(PASSIVE)") != "0") throw std::runtime_error("busy");
  }
  // Resets the WAL and commits one frame.
  void reset(int row, int value) {
    backfill();
    set(row, value);
  }
  std::string live() { return owner_->run(kDump); }

  void begin() {
    files_.emplace(path_);
    follower_.emplace(*files_, own_.file("followed"));
    follower_->start();
    half_ = files_->stat(SourceFile::main).size_bytes / 2;
    main_.resize(half_);
    ASSERT_EQ(files_->read(SourceFile::main, main_, 0), half_);
  }
  void look() { follower_->look(); }
  void copy_the_rest() {
    const std::uint64_t size = files_->stat(SourceFile::main).size_bytes;
    if (size <= half_) return;
    main_.resize(size);
    main_.resize(half_ + files_->read(SourceFile::main, std::span(main_).subspan(half_), half_));
  }
  void finish() {
    copy_the_rest();
    follower_->finish();
  }

  std::optional<Errc> failure_of(const std::function<void()>& work) {
    try {
      work();
      return std::nullopt;
    } catch (const Error& error) {
      message_ = error.what();
      return error.code();
    }
  }
  // What SQLite reads in the copy.
  std::string copied() {
    const std::string path = own_.file("copy.db");
    test::write_file(path, main_);
    const UniqueFd fd = open_at(AT_FDCWD, path, O_RDONLY, 0, path);
    const CommittedView view = follower_->over({fd.get(), path});
    Buffer image(static_cast<std::size_t>(view.size_bytes()));
    view.read_bytes(0, image);
    image.at(format::kDbWriteVersionOffset) = image.at(format::kDbReadVersionOffset) = std::byte{1};
    test::write_file(path, image);
    sqlite::Connection copy(path, sqlite::OpenMode::immutable);
    const std::string check = copy.text("PRAGMA integrity_check");
    return check == "ok" ? copy.text(kDump) : check;
  }
  void expect_right() {
    ASSERT_EQ(failure_of([this] { finish(); }), std::nullopt) << message_;
    EXPECT_EQ(copied(), live());
  }
  void expect_look_fails() {
    EXPECT_EQ(failure_of([this] { look(); }), Errc::source_changed) << message_;
  }
  void expect_finish_fails(Errc code = Errc::source_changed) {
    EXPECT_EQ(failure_of([this] { finish(); }), code) << message_;
  }

  Buffer wal() const { return test::read_file(path_ + "-wal"); }
  Buffer slot(std::uint64_t frame) const {
    const Buffer all = wal();
    const std::uint64_t at = format::wal_frame_offset(frame, kPageSize);
    if (at + kFrameSize > all.size()) return {};
    return {all.begin() + static_cast<std::ptrdiff_t>(at),
            all.begin() + static_cast<std::ptrdiff_t>(at + kFrameSize)};
  }
  std::uint64_t slots() const { return format::wal_frames_in(wal().size(), kPageSize); }
  void write_wal(std::uint64_t offset, std::span<const std::byte> bytes) const {
    const UniqueFd fd = open_at(AT_FDCWD, path_ + "-wal", O_WRONLY, 0, path_);
    write_all(fd.get(), bytes, offset, path_);
  }

  kit::TemporaryDirectory directory_;
  kit::TemporaryDirectory own_;
  std::string path_ = directory_.file("source.db");
  std::optional<RemoteSqlite> owner_;
  std::optional<LiveFiles> files_;
  std::optional<WalFollower> follower_;
  Buffer main_;
  std::uint64_t half_ = 0;
  std::string message_;
};

// --- What it is for.

TEST_F(Follower, CommitsAndTheirBackfillBesideTheCopyAreNotMissed) {
  make();
  begin();
  for (int row = 1; row <= 40; ++row) set(row, row);
  backfill();
  expect_right();
  EXPECT_EQ(follower_->resets(), 0U);
}

TEST_F(Follower, AGenerationReadToItsEndIsFollowedByTheNext) {
  make_second_generation();
  begin();
  set(20, 2);
  set(30, 2);
  look();
  ASSERT_EQ(follower_->committed_frames(), 5U);
  reset(4, 3);
  look();
  set(35, 3);
  expect_right();
  EXPECT_EQ(follower_->resets(), 1U);
}

TEST_F(Follower, TheEndOfTheFileEndsAGenerationThatNobodyHasCutYet) {
  make("", 20);
  begin();
  const std::uint64_t last = follower_->committed_frames();
  ASSERT_EQ(slots(), last);
  backfill();
  // Spills into the new generation, without a commit and without reaching slot K.
  sql("BEGIN; UPDATE a SET v=7 WHERE id<=10");
  ASSERT_EQ(slots(), last);
  look();
  EXPECT_EQ(follower_->resets(), 1U);
  sql("COMMIT");
  expect_right();
}

TEST_F(Follower, ATransactionTooLongForMemoryIsReadTwice) {
  make("", 40);
  begin();
  sql("WITH RECURSIVE n(i) AS (SELECT 41 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)"
      " INSERT INTO a SELECT i, i, zeroblob(900) FROM n");
  ASSERT_GT(wal().size(), std::size_t{8} << 20U);
  look();
  backfill();
  expect_right();
}

// --- Resets.

TEST_F(Follower, ATruncatingCheckpointEndsTheAttempt) {
  make_second_generation();
  begin();
  sql("PRAGMA wal_checkpoint(TRUNCATE)");
  ASSERT_EQ(fs::file_size(path_ + "-wal"), 0U);
  expect_look_fails();
}

TEST_F(Follower, ATruncatingCheckpointAndACommitEndTheAttempt) {
  make_second_generation();
  begin();
  set(20, 2);
  sql("PRAGMA wal_checkpoint(TRUNCATE)");
  set(30, 2);
  expect_look_fails();
}

TEST_F(Follower, ACommitThatWasNotSeenBeforeTheReset) {
  make_second_generation();
  begin();
  look();
  set(20, 2);  // into the half that was copied before
  set(1, 2);
  reset(4, 3);
  ASSERT_NE(slot(3), Buffer());
  expect_look_fails();
}

TEST_F(Follower, TwoResetsBetweenTwoLooks) {
  make_second_generation();
  begin();
  look();
  reset(1, 2);
  reset(2, 2);
  expect_look_fails();
}

TEST_F(Follower, AGenerationWithoutAFollowedCommitHasNoEndToBeSeen) {
  make();
  backfill();
  begin();
  // The header of the next generation is there, its first transaction is not.
  sql("BEGIN; UPDATE a SET v=5 WHERE id<=20");
  look();
  ASSERT_EQ(follower_->resets(), 1U);
  ASSERT_EQ(follower_->committed_frames(), 0U);
  sql("COMMIT");
  backfill();
  set(1, 6);
  expect_look_fails();
}

TEST_F(Follower, FramesCutOffByTheSizeLimitAreNotTheEndOfTheFile) {
  make();
  begin();
  const std::uint64_t end = format::wal_frame_offset(slots() + 1, kPageSize);
  set(1, 2);  // not seen, and in the half that was copied before
  set(20, 2);
  sql("PRAGMA journal_size_limit=" + std::to_string(end));
  reset(30, 3);
  // All the evidence is gone: slot K is ours and the file ends behind it.
  ASSERT_EQ(fs::file_size(path_ + "-wal"), end);
  expect_look_fails();
}

TEST_F(Follower, FramesCutOffInTheMiddleOfASlotAreNotTheEnd) {
  for (const std::uint64_t more : {1U, 8U, 23U, 24U, 500U}) {
    SCOPED_TRACE(more);
    follower_.reset();
    files_.reset();
    owner_.reset();
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path_ + suffix);
    make();
    begin();
    const std::uint64_t end = format::wal_frame_offset(slots() + 1, kPageSize);
    set(1, 2);
    sql("PRAGMA journal_size_limit=" + std::to_string(end + more));
    reset(30, 3);
    ASSERT_EQ(fs::file_size(path_ + "-wal"), end + more);
    expect_look_fails();
  }
}

TEST_F(Follower, ASizeLimitThatCutsSlotKEndsTheAttempt) {
  make_second_generation();
  begin();
  sql("PRAGMA journal_size_limit=0");
  reset(30, 3);
  ASSERT_EQ(slots(), 1U);
  expect_look_fails();
}

TEST_F(Follower, AWalDeletedAndMadeAnewEndsTheAttempt) {
  make_second_generation();
  begin();
  set(1, 2);
  owner_->stop();  // the last close: checkpoints and deletes
  ASSERT_FALSE(fs::exists(path_ + "-wal"));
  owner_.emplace(path_);
  set(2, 2);
  expect_look_fails();
}

TEST_F(Follower, AnotherFileWithTheSameHeaderEndsTheAttempt) {
  make_second_generation();
  begin();
  const Buffer bytes = wal();
  fs::remove(path_ + "-wal");
  test::write_file(path_ + "-wal", bytes);
  expect_look_fails();
}

TEST_F(Follower, AJournalModeThatGoesAndComesBackEndsTheAttempt) {
  make_second_generation();
  begin();
  sql("PRAGMA journal_mode=DELETE; UPDATE a SET v=9; PRAGMA journal_mode=WAL; UPDATE a SET v=8"
      " WHERE id=1");
  expect_look_fails();
}

// --- Frames that are overwritten in place.

TEST_F(Follower, UncommittedFramesAreNotKept) {
  make_second_generation();
  begin();
  const std::string before = live();
  sql("BEGIN; UPDATE a SET v=5 WHERE id<=30");
  ASSERT_GT(format::parse_wal_frame_header(slot(4)).page_number, 0U);
  look();
  EXPECT_EQ(follower_->committed_frames(), 3U);
  ASSERT_EQ(failure_of([this] { finish(); }), std::nullopt) << message_;
  EXPECT_EQ(copied(), before);
}

TEST_F(Follower, AGrowingTransactionIsReadFromItsBeginningWithEachLook) {
  make_second_generation();
  begin();
  sql("BEGIN; UPDATE a SET v=5 WHERE id<=30");
  look();
  const Buffer spilled = slot(4);
  // The same pages again: overwritten in place, and new checksums from there on at the commit.
  for (int value = 6; value < 9; ++value) {
    sql("UPDATE a SET v=" + std::to_string(value));
    look();
    EXPECT_EQ(follower_->committed_frames(), 3U);
  }
  sql("COMMIT");
  ASSERT_NE(slot(4), spilled);
  backfill();
  expect_right();
}

TEST_F(Follower, SpilledFramesThatAreTakenBackAreNotKept) {
  make_second_generation();
  begin();
  sql("BEGIN; UPDATE a SET v=5 WHERE id<=30");
  look();
  sql("ROLLBACK");
  look();
  set(30, 6);
  backfill();
  expect_right();
  EXPECT_EQ(follower_->committed_frames(), 4U);
}

TEST_F(Follower, AOneFrameCommitInThePlaceOfARolledBackSpillJustBeforeAReset) {
  make_second_generation();
  begin();
  sql("BEGIN; UPDATE a SET v=5 WHERE id<=30");
  look();  // sees valid frames behind K
  sql("ROLLBACK");
  set(1, 6);
  ASSERT_EQ(format::parse_wal_frame_header(slot(5)).salt, follower_->header().salt);
  reset(2, 7);
  expect_look_fails();
}

TEST_F(Follower, ARolledBackSpillJustBeforeAResetIsNoEnd) {
  make_second_generation();
  begin();
  sql("BEGIN; UPDATE a SET v=5 WHERE id<=30");
  sql("ROLLBACK");
  reset(2, 7);
  expect_look_fails();  // what lies behind K could have been committed
}

// --- Commits that nobody was told of: the commit frame was written, then the writer failed.

class GhostCommit : public Follower {
 protected:
  // Writes a transaction over these rows' pages behind the last commit, and tells no index.
  void write_ghost(std::initializer_list<int> marks) {
    const Buffer all = wal();
    const auto header = format::parse_wal_header(std::span(all).first(format::kWalHeaderSizeBytes));
    format::WalScanner scanner(*header);
    std::uint64_t frame = 1;
    Buffer last;
    for (;; ++frame) {
      const Buffer bytes = slot(frame);
      if (bytes.empty() || !scanner.accept(bytes)) break;
      last = bytes;
    }
    first_ = frame;
    format::WalChecksum chain = scanner.chain();
    std::size_t left = marks.size();
    const format::WalFrameHeader commit = format::parse_wal_frame_header(last);
    for (const int mark : marks) {
      // The page of the last commit, with another row in it: small integers are one byte.
      Buffer page(last.begin() + format::kWalFrameHeaderSizeBytes, last.end());
      page.back() = std::byte(static_cast<unsigned char>(mark));
      const auto head =
          format::encode_wal_frame_header(*header, chain, commit.page_number,
                                          --left == 0 ? scanner.committed_size_pages() : 0, page);
      chain = format::parse_wal_frame_header(head).checksum;
      Buffer bytes(head.begin(), head.end());
      bytes.insert(bytes.end(), page.begin(), page.end());
      write_wal(format::wal_frame_offset(frame++, kPageSize), bytes);
    }
  }
  std::uint64_t first_ = 0;  // frame of the ghost
};

TEST_F(GhostCommit, ThatIsOverwrittenByALongerTransaction) {
  make_second_generation();
  begin();
  write_ghost({1, 2});
  look();
  ASSERT_EQ(follower_->committed_frames(), 5U);
  sql("UPDATE a SET v=5 WHERE id<=10");
  expect_look_fails();
}

// Frame K stands; what led to it does not.
TEST_F(GhostCommit, ThatIsOverwrittenByAShorterTransaction) {
  make_second_generation();
  begin();
  write_ghost({1, 2, 3});
  look();
  ASSERT_EQ(follower_->committed_frames(), 6U);
  set(1, 5);
  backfill();
  ASSERT_EQ(format::parse_wal_frame_header(slot(first_)).is_commit(), true);
  expect_finish_fails();
}

TEST_F(GhostCommit, ThatIsOverwrittenByAShorterTransactionWithoutAnIndex) {
  make_second_generation("PRAGMA locking_mode=EXCLUSIVE;");
  ASSERT_FALSE(fs::exists(path_ + "-shm"));
  begin();
  write_ghost({1, 2, 3});
  look();
  set(1, 5);
  backfill();
  expect_finish_fails();
}

TEST_F(GhostCommit, WithSectorPaddingThatIsOverwrittenByAShorterTransaction) {
  make_second_generation();
  begin();
  write_ghost({1, 2});
  // Commit frames over and over up to the end of the sector (padToSectorBoundary).
  const std::uint64_t first = first_;
  const Buffer commit = slot(first + 1);
  const Buffer all = wal();
  const auto header = format::parse_wal_header(std::span(all).first(format::kWalHeaderSizeBytes));
  format::WalChecksum chain = format::parse_wal_frame_header(commit).checksum;
  const auto number = format::parse_wal_frame_header(commit);
  for (std::uint64_t frame = first + 2; frame < first + 5; ++frame) {
    Buffer page(commit.begin() + format::kWalFrameHeaderSizeBytes, commit.end());
    const auto head = format::encode_wal_frame_header(*header, chain, number.page_number,
                                                      number.commit_size_pages, page);
    chain = format::parse_wal_frame_header(head).checksum;
    Buffer bytes(head.begin(), head.end());
    bytes.insert(bytes.end(), page.begin(), page.end());
    write_wal(format::wal_frame_offset(frame, kPageSize), bytes);
  }
  look();
  ASSERT_EQ(follower_->committed_frames(), first + 4);
  set(1, 5);
  backfill();
  expect_finish_fails();
}

TEST_F(GhostCommit, ThatIsOverwrittenByAShorterTransactionBeforeAReset) {
  make_second_generation();
  begin();
  write_ghost({1, 2, 3});
  look();
  set(1, 5);
  reset(2, 6);
  expect_look_fails();
}

// The index that did not have it is nobody's when the reset is seen.
TEST_F(GhostCommit, BeforeAResetByAnOwnerWhoIsGone) {
  make_second_generation();
  begin();
  write_ghost({1});
  look();
  ASSERT_EQ(follower_->committed_frames(), first_);
  reset(20, 6);
  ASSERT_TRUE(format::parse_wal_frame_header(slot(first_)).is_commit());
  owner_->kill();
  expect_look_fails();
}

TEST_F(GhostCommit, ThatARecoveryFindsIsACommit) {
  make_second_generation();
  begin();
  write_ghost({1, 2, 3});
  look();
  owner_->kill();
  owner_.emplace(path_);
  set(40, 6);
  backfill();
  expect_right();
  EXPECT_EQ(follower_->committed_frames(), 7U);
}

// --- Owners that die, shrink the file, or count bytes the other way round.

TEST_F(Follower, AWriterThatIsKilledAndRecoveredByAnotherProcess) {
  make_second_generation();
  begin();
  set(1, 2);
  sql("BEGIN; UPDATE a SET v=5 WHERE id<=30");
  look();
  owner_->kill();
  look();
  owner_.emplace(path_);
  set(2, 3);
  look();
  sql("UPDATE a SET v=v+1 WHERE id>20");
  backfill();
  expect_right();
}

TEST_F(Follower, AVacuumThatShortensMainMeanwhile) {
  make();
  sql("CREATE TABLE junk (x); INSERT INTO junk VALUES (zeroblob(300000))");
  reset(1, 1);
  begin();
  sql("DELETE FROM junk; VACUUM; PRAGMA wal_checkpoint(PASSIVE)");
  ASSERT_LT(fs::file_size(path_), 100'000U);
  look();
  sql("INSERT INTO junk VALUES (zeroblob(20000)); UPDATE a SET v=4 WHERE id=1");
  expect_right();
}

TEST_F(Follower, AutoVacuumThatShortensMainMeanwhile) {
  make("PRAGMA auto_vacuum=FULL;");
  for (int i = 0; i < 20; ++i) sql("UPDATE a SET v=v+1");  // a long generation to begin with
  sql("CREATE TABLE junk (x); INSERT INTO junk VALUES (zeroblob(300000))");
  reset(1, 1);
  begin();
  for (int row = 1; row <= 30; ++row) set(row, 2);
  sql("DELETE FROM junk; PRAGMA wal_checkpoint(PASSIVE)");
  ASSERT_LT(fs::file_size(path_), 100'000U);
  look();
  sql("INSERT INTO junk VALUES (zeroblob(4000)); UPDATE a SET v=4 WHERE id=1");
  look();
  EXPECT_EQ(follower_->resets(), 1U);
  sql("DELETE FROM junk; PRAGMA wal_checkpoint(PASSIVE)");
  expect_right();
}

class ChecksumOrder : public Follower, public ::testing::WithParamInterface<bool> {
 protected:
  // Writes the WAL anew with checksums over words of the other byte order, or the same.
  void encode(bool big_endian) {
    const Buffer old = wal();
    format::WalHeader header = *format::parse_wal_header(std::span(old).first(32));
    header.big_endian_checksum = big_endian;
    const auto head = format::encode_wal_header(header);
    header = *format::parse_wal_header(head);
    Buffer bytes(head.begin(), head.end());
    format::WalChecksum chain = header.checksum;
    const std::uint64_t count = slots();
    for (std::uint64_t frame = 1; frame <= count; ++frame) {
      const Buffer old_frame = slot(frame);
      const auto numbers = format::parse_wal_frame_header(old_frame);
      const auto page = std::span(old_frame).subspan(format::kWalFrameHeaderSizeBytes);
      const auto frame_head = format::encode_wal_frame_header(header, chain, numbers.page_number,
                                                              numbers.commit_size_pages, page);
      chain = format::parse_wal_frame_header(frame_head).checksum;
      bytes.insert(bytes.end(), frame_head.begin(), frame_head.end());
      bytes.insert(bytes.end(), page.begin(), page.end());
    }
    test::write_file(path_ + "-wal", bytes);
  }
};

TEST_P(ChecksumOrder, IsThatOfTheHeader) {
  make();
  for (int row = 1; row <= 5; ++row) set(row, 3);
  owner_->kill();
  encode(GetParam());
  owner_.emplace(path_);
  sql("PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=0");
  ASSERT_NE(live().find("5=3"), std::string::npos);
  begin();
  EXPECT_EQ(follower_->header().big_endian_checksum, GetParam());
  set(1, 4);
  set(40, 4);
  look();
  const std::uint64_t last = follower_->committed_frames();
  backfill();
  // The next generation has the byte order of this machine. Its first transaction is not committed
  // when it is first seen: the end of the file is all that ends the old one.
  sql("PRAGMA cache_size=5; BEGIN; UPDATE a SET v=7 WHERE id<=20");
  ASSERT_EQ(slots(), last);
  look();
  EXPECT_EQ(follower_->resets(), 1U);
  sql("COMMIT");
  expect_right();
}

INSTANTIATE_TEST_SUITE_P(Both, ChecksumOrder, ::testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& test) {
                           return test.param ? "big_endian" : "little_endian";
                         });

// --- Interruptions: at each system call of a look, one after another.

std::function<void()> interruption;
int calls_before = -1;  // calls until it happens; -1: not to happen, or done

void count_call() {
  if (calls_before < 0 || calls_before-- > 0) return;
  interruption();
}

class Interrupted : public Follower {
 protected:
  Interrupted() {
    patch_->pread = [](int fd, void* buffer, std::size_t size, off_t offset) {
      count_call();
      return ::pread(fd, buffer, size, offset);
    };
    patch_->fstatat = [](int dir, const char* name, struct stat* out, int flags) {
      count_call();
      return ::fstatat(dir, name, out, flags);
    };
  }
  ~Interrupted() override { calls_before = -1; }

  // A follower of a new source, with one commit that it has not seen.
  void begin_anew() {
    follower_.reset();
    files_.reset();
    owner_.reset();
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path_ + suffix);
    make_second_generation();
    begin();
    set(20, 2);
  }

  test::ScopedSys patch_;
};

// A header that is half the old and half the new one.
std::string torn_of;
int torn_reads;

TEST_F(Interrupted, ByATornHeaderItReadsAgain) {
  make_second_generation();
  begin();
  const Buffer old = wal();
  reset(20, 5);
  const Buffer now = wal();
  torn_of.assign(reinterpret_cast<const char*>(now.data()), 20);
  torn_of.append(reinterpret_cast<const char*>(old.data()) + 20, 12);
  ASSERT_FALSE(format::parse_wal_header(std::as_bytes(std::span(torn_of))));
  patch_->pread = [](int fd, void* buffer, std::size_t size, off_t offset) {
    if (size == format::kWalHeaderSizeBytes && offset == 0 && torn_reads > 0) {
      --torn_reads;
      std::ranges::copy(torn_of, static_cast<char*>(buffer));
      return static_cast<ssize_t>(size);
    }
    return ::pread(fd, buffer, size, offset);
  };
  torn_reads = 3;
  look();
  EXPECT_EQ(torn_reads, 0);
  EXPECT_EQ(follower_->resets(), 1U);
  torn_reads = 3;
  expect_right();
  torn_reads = 1'000'000;
  expect_look_fails();
  torn_reads = 0;
}

// --- What it reads, and that it can be stopped meanwhile.

std::size_t bytes_read;

class Counted : public Follower {
 protected:
  Counted() {
    bytes_read = 0;
    patch_->pread = [](int fd, void* buffer, std::size_t size, off_t offset) {
      const ssize_t got = ::pread(fd, buffer, size, offset);
      if (got > 0) bytes_read += static_cast<std::size_t>(got);
      return got;
    };
  }

  test::ScopedSys patch_;
};

TEST_F(Counted, ManySmallTransactionsAreReadOnce) {
  make();
  for (int value = 0; value < 500; ++value) set(1 + value % 40, value);
  follower_.emplace(files_.emplace(path_), own_.file("followed"));
  bytes_read = 0;
  follower_->start();
  EXPECT_GE(follower_->committed_frames(), 500U);
  EXPECT_LT(bytes_read, 2 * wal().size());
}

TEST_F(Counted, TheFramesOfAnOlderGenerationAreNotReadWithEachLook) {
  make("", 2000);
  backfill();
  set(1, 1);
  begin();
  ASSERT_GT(slots(), 2000U);
  for (int row = 2; row < 10; ++row) {
    set(row, 2);
    bytes_read = 0;
    look();
    // The commit, twice as much as that behind it, slot K again; headers and the wal-index.
    EXPECT_LT(bytes_read, 10 * kFrameSize);
  }
  expect_right();
}

struct Stopped {};

TEST_F(Counted, CatchingUpCanBeStopped) {
  make();
  const std::uint64_t first_frames = slots();
  sql("WITH RECURSIVE n(i) AS (SELECT 41 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)"
      " INSERT INTO a SELECT i, i, zeroblob(900) FROM n");
  const std::uint64_t frames_read_twice = slots() - first_frames;
  const std::uint64_t all = (slots() + frames_read_twice) * kFrameSize;
  ASSERT_GT(all, std::uint64_t{16} << 20U);
  std::size_t last = 0;  // bytes read at the last tick
  std::size_t most = 0;  // between two
  int left = 0;
  const WalFollower::Tick tick = [&] {
    if (left-- == 0) throw Stopped();
    most = std::max(most, bytes_read - last);
    last = bytes_read;
  };
  // Earlier and later, in the second reading of the long transaction too, until it is not stopped.
  bool stopped = true;
  for (int ticks = 0; stopped; ticks = 2 * ticks + 1) {
    SCOPED_TRACE(ticks);
    follower_.emplace(files_.emplace(path_), own_.file("followed"));
    left = ticks;
    last = bytes_read = 0;
    stopped = false;
    try {
      follower_->start(tick);
    } catch (const Stopped&) {
      stopped = true;
    }
    EXPECT_LE(most, std::size_t{1} << 20U);
    EXPECT_EQ(stopped, bytes_read < all);
  }
}

struct Busy {
  const char* name;
  std::vector<const char*> statements;
};

const Busy kBusy[] = {
    {"one commit", {"UPDATE a SET v=90 WHERE id IN (1, 40)"}},
    {"a commit and a reset",
     {"UPDATE a SET v=90 WHERE id IN (1, 40)", "PRAGMA wal_checkpoint(PASSIVE)",
      "UPDATE a SET v=91 WHERE id=2"}},
    {"a reset", {"PRAGMA wal_checkpoint(PASSIVE)", "UPDATE a SET v=91 WHERE id=2"}},
    {"a reset and as many frames as before",
     {"PRAGMA wal_checkpoint(PASSIVE)", "UPDATE a SET v=91 WHERE id=2",
      "UPDATE a SET v=92 WHERE id=39", "UPDATE a SET v=93 WHERE id=38",
      "UPDATE a SET v=94 WHERE id=37"}},
    {"two resets",
     {"UPDATE a SET v=90 WHERE id IN (1, 40)", "PRAGMA wal_checkpoint(PASSIVE)",
      "UPDATE a SET v=91 WHERE id=2", "PRAGMA wal_checkpoint(PASSIVE)",
      "UPDATE a SET v=92 WHERE id=39"}},
    {"a truncation",
     {"UPDATE a SET v=90 WHERE id IN (1, 40)", "PRAGMA wal_checkpoint(TRUNCATE)",
      "UPDATE a SET v=91 WHERE id=2"}},
    {"a cut",
     {"UPDATE a SET v=90 WHERE id IN (1, 40)", "PRAGMA journal_size_limit=0",
      "PRAGMA wal_checkpoint(PASSIVE)", "UPDATE a SET v=91 WHERE id=2"}},
    {"a spill taken back and one commit in its place",
     {"BEGIN; UPDATE a SET v=89; ROLLBACK", "UPDATE a SET v=90 WHERE id=1",
      "PRAGMA wal_checkpoint(PASSIVE)", "UPDATE a SET v=91 WHERE id=2"}},
    {"out of WAL mode and back",
     {"PRAGMA journal_mode=DELETE", "UPDATE a SET v=90 WHERE id IN (1, 40)",
      "PRAGMA journal_mode=WAL", "UPDATE a SET v=91 WHERE id=2"}},
};

// As a follower that sleeps for a second in the middle of a look finds it.
TEST_F(Interrupted, AtAnyCallALookFailsOrIsRight) {
  for (const Busy& busy : kBusy) {
    SCOPED_TRACE(busy.name);
    int right = 0;
    int failed = 0;
    bool happened = true;
    for (int call = 0; happened; ++call) {
      SCOPED_TRACE("call " + std::to_string(call));
      begin_anew();
      happened = false;
      interruption = [&] {
        happened = true;
        for (const char* statement : busy.statements) sql(statement);
      };
      calls_before = call;
      std::optional<Errc> failure = failure_of([this] { look(); });
      calls_before = -1;
      if (!failure) {
        backfill();
        failure = failure_of([this] { finish(); });
      }
      if (failure) {
        ++failed;
        EXPECT_EQ(failure, Errc::source_changed) << message_;
      } else {
        ++right;
        EXPECT_EQ(copied(), live());
      }
    }
    EXPECT_GT(right, 0);  // the last one was not interrupted at all
    EXPECT_GT(right + failed, 10);
  }
}

TEST_F(Interrupted, AtAnyCallTheLastLookFailsOrGivesAStateThatWas) {
  for (const Busy& busy : kBusy) {
    SCOPED_TRACE(busy.name);
    bool happened = true;
    for (int call = 0; happened; ++call) {
      SCOPED_TRACE("call " + std::to_string(call));
      begin_anew();
      backfill();
      copy_the_rest();
      std::vector<std::string> states{live()};
      happened = false;
      interruption = [&] {
        happened = true;
        for (const char* statement : busy.statements) {
          sql(statement);
          states.push_back(live());
        }
      };
      calls_before = call;
      const std::optional<Errc> failure = failure_of([this] { follower_->finish(); });
      calls_before = -1;
      if (failure) {
        EXPECT_EQ(failure, Errc::source_changed) << message_;
      } else {
        EXPECT_EQ(std::ranges::count(states, copied()) > 0, true) << copied();
      }
    }
  }
}

// --- Bug Z (docs/consistency.md): commits without checksums, that only the wal-index knows.

struct ZeroSalts {
  const char* name;
  std::vector<const char*> before;  // the copy begins
  std::vector<const char*> transaction;

  friend void PrintTo(const ZeroSalts& zero, std::ostream* out) { *out << zero.name; }
};

constexpr const char* kRecipe =
    "BEGIN; SAVEPOINT s; UPDATE a SET v=3; UPDATE a SET v=4 WHERE id>300; ROLLBACK TO s; RELEASE s;"
    "UPDATE a SET v=7 WHERE id=400; COMMIT";

const ZeroSalts kZeroSalts[] = {
    {"plain", {}, {kRecipe}},
    {"spilled_before_savepoint",
     {},
     {"BEGIN; UPDATE a SET v=1 WHERE id<=100; SAVEPOINT s; UPDATE a SET v=3 WHERE id>100;"
      "UPDATE a SET v=4 WHERE id>300; ROLLBACK TO s; RELEASE s; UPDATE a SET v=7 WHERE id=400;"
      "COMMIT"}},
    {"first_of_generation",
     {"UPDATE a SET v=1 WHERE id=1"},
     {"PRAGMA journal_size_limit=0", "PRAGMA wal_checkpoint(RESTART)", kRecipe}},
};

class ZeroSaltTrap : public Follower,
                     public ::testing::WithParamInterface<std::tuple<ZeroSalts, bool>> {};

// Beside an owner that keeps the index to itself there is nothing that tells them from frames of a
// transaction that is still under way.
TEST_P(ZeroSaltTrap, FailsTheAttempt) {
  const auto& [zero, exclusive] = GetParam();
  make(exclusive ? "PRAGMA locking_mode=EXCLUSIVE;" : "", 400);
  for (const char* statement : zero.before) sql(statement);
  begin();
  look();
  for (const char* statement : zero.transaction) sql(statement);
  backfill();
  ASSERT_EQ(fs::exists(path_ + "-shm"), !exclusive);
  if (!kit::sqlite_writes_zero_salts()) GTEST_SKIP() << "this SQLite has not the bug";
  ASSERT_GT(kit::survey_wal(path_ + "-wal").zero_salt, 0U);
  const std::optional<Errc> failure = failure_of([this] { finish(); });
  ASSERT_TRUE(failure) << copied();
  EXPECT_TRUE(failure == Errc::frames_without_checksum || failure == Errc::source_changed)
      << message_;
}

TEST_P(ZeroSaltTrap, BeforeAResetFailsTheAttempt) {
  const auto& [zero, exclusive] = GetParam();
  make(exclusive ? "PRAGMA locking_mode=EXCLUSIVE;" : "", 400);
  for (const char* statement : zero.before) sql(statement);
  begin();
  look();
  for (const char* statement : zero.transaction) sql(statement);
  if (!kit::sqlite_writes_zero_salts()) GTEST_SKIP() << "this SQLite has not the bug";
  reset(2, 9);
  EXPECT_EQ(failure_of([this] { finish(); }), Errc::source_changed) << message_;
}

INSTANTIATE_TEST_SUITE_P(Variants, ZeroSaltTrap,
                         ::testing::Combine(::testing::ValuesIn(kZeroSalts), ::testing::Bool()),
                         [](const ::testing::TestParamInfo<ZeroSaltTrap::ParamType>& test) {
                           return std::string(std::get<0>(test.param).name) +
                                  (std::get<1>(test.param) ? "_without_index" : "_with_index");
                         });

}  // namespace
}  // namespace sqlbk::copy
