#include "sqlbk/format/wal_index.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fcntl.h>
#include <set>
#include <unistd.h>

#include <gtest/gtest.h>

#include "format_support.hpp"
#include "golden_values.hpp"
#include "sqlbk/core/unique_fd.hpp"

namespace sqlbk::format {
namespace {

using format_test::Buffer;
using format_test::Db;
using format_test::put_be32;
using format_test::slow_checksum;
using format_test::Sums;
using format_test::TempDir;

constexpr bool kIsBigEndian = std::endian::native == std::endian::big;

template <typename Integer>
void put_native(Buffer& bytes, std::size_t offset, Integer value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

// The checksum of the first copy, then the second copy.
void seal(Buffer& bytes) {
  const Sums sum = slow_checksum({0, 0}, std::span(bytes).first(40), kIsBigEndian);
  put_native(bytes, 40, sum.first);
  put_native(bytes, 44, sum.second);
  std::memcpy(bytes.data() + 48, bytes.data(), 48);
}

// A header in which every field has a value of its own.
Buffer make_index(std::uint32_t page_size_bytes = 4096) {
  Buffer bytes(136);
  put_native(bytes, 0, std::uint32_t{3007000});
  put_native(bytes, 8, std::uint32_t{21});
  bytes[12] = std::byte{1};
  bytes[13] = std::byte{1};
  const std::uint32_t stored = page_size_bytes == 65536 ? 1 : page_size_bytes;
  put_native(bytes, 14, static_cast<std::uint16_t>(stored));
  put_native(bytes, 16, std::uint32_t{22});
  put_native(bytes, 20, std::uint32_t{23});
  put_native(bytes, 24, std::uint32_t{0x24242424});
  put_native(bytes, 28, std::uint32_t{0x25252525});
  put_be32(bytes, 32, 0x01020304);
  put_be32(bytes, 36, 0x05060708);
  put_native(bytes, 96, std::uint32_t{11});
  for (std::uint32_t i = 0; i < 5; ++i) put_native(bytes, 100 + 4 * i, 30 + i);
  put_native(bytes, 128, std::uint32_t{12});
  seal(bytes);
  return bytes;
}

TEST(WalIndex, ReadsEveryField) {
  const ParsedWalIndexHeader parsed = parse_wal_index_header(make_index());
  ASSERT_TRUE(parsed) << to_string(parsed.issue);
  EXPECT_EQ(parsed->change_counter, 21U);
  EXPECT_TRUE(parsed->big_endian_checksum);
  EXPECT_EQ(parsed->page_size_bytes, 4096U);
  EXPECT_EQ(parsed->mx_frame, 22U);
  EXPECT_EQ(parsed->size_pages, 23U);
  EXPECT_EQ(parsed->frame_checksum, (WalChecksum{0x24242424, 0x25252525}));
  EXPECT_EQ(parsed->salt, (WalSalt{0x01020304, 0x05060708}));
  EXPECT_EQ(parsed->backfilled_frames, 11U);
  EXPECT_EQ(parsed->read_marks, (std::array<std::uint32_t, 5>{30, 31, 32, 33, 34}));
  EXPECT_EQ(parsed->backfill_attempted_frames, 12U);
}

TEST(WalIndex, ReadsTheByteOrderOfTheWal) {
  Buffer bytes = make_index();
  bytes[13] = std::byte{0};
  seal(bytes);
  EXPECT_FALSE(parse_wal_index_header(bytes)->big_endian_checksum);
}

TEST(WalIndex, EveryLengthBelow136IsTooShort) {
  const Buffer bytes = make_index();
  for (std::size_t length = 0; length < kWalIndexHeaderSizeBytes; ++length) {
    EXPECT_EQ(parse_wal_index_header(Bytes(bytes).first(length)).issue, WalIndexIssue::too_short)
        << length;
  }
}

TEST(WalIndex, WhatFollowsTheHeaderDoesNotMatter) {
  Buffer bytes = make_index();
  bytes.resize(32768, std::byte{0x5a});
  EXPECT_TRUE(parse_wal_index_header(bytes));
}

TEST(WalIndex, ZeroesAreNotInitialised) {
  EXPECT_EQ(parse_wal_index_header(Buffer(136)).issue, WalIndexIssue::not_initialised);
}

TEST(WalIndex, EveryIssueHasATextOfItsOwn) {
  std::set<std::string_view> texts;
  for (int issue = 0; issue <= static_cast<int>(WalIndexIssue::bad_page_size); ++issue) {
    texts.insert(to_string(static_cast<WalIndexIssue>(issue)));
  }
  EXPECT_EQ(texts.size(), 7U);
  EXPECT_FALSE(texts.contains("unknown"));
}

TEST(WalIndex, EveryStoredPageSizeIsReadAsInSqlite) {
  Buffer bytes = make_index();
  for (std::uint32_t stored = 0; stored <= 0xffff; ++stored) {
    put_native(bytes, 14, static_cast<std::uint16_t>(stored));
    seal(bytes);
    const std::uint32_t size = (stored & 0xfe00U) + ((stored & 1U) << 16);
    const ParsedWalIndexHeader parsed = parse_wal_index_header(bytes);
    const bool is_valid =
        std::find(std::begin(format_test::kPageSizes), std::end(format_test::kPageSizes), size) !=
        std::end(format_test::kPageSizes);
    ASSERT_EQ(parsed.issue, is_valid ? WalIndexIssue::none : WalIndexIssue::bad_page_size)
        << stored;
    if (is_valid) {
      ASSERT_EQ(parsed->page_size_bytes, size);
    }
  }
}

TEST(WalIndex, PageSizeMayBeUnknownWhileThereAreNoFrames) {
  Buffer bytes = make_index();
  put_native(bytes, 14, std::uint16_t{0});
  seal(bytes);
  EXPECT_EQ(parse_wal_index_header(bytes).issue, WalIndexIssue::bad_page_size);
  put_native(bytes, 16, std::uint32_t{0});
  seal(bytes);
  const ParsedWalIndexHeader parsed = parse_wal_index_header(bytes);
  ASSERT_TRUE(parsed) << to_string(parsed.issue);
  EXPECT_EQ(parsed->page_size_bytes, 0U);
  EXPECT_EQ(parsed->mx_frame, 0U);
  put_native(bytes, 14, std::uint16_t{256});
  seal(bytes);
  EXPECT_EQ(parse_wal_index_header(bytes).issue, WalIndexIssue::bad_page_size);
}

// Each byte of the header, each of its bits turned over.
class WalIndexBrokenByte : public testing::TestWithParam<std::size_t> {};

TEST_P(WalIndexBrokenByte, InOneCopy) {
  for (unsigned bit = 0; bit < 8; ++bit) {
    Buffer bytes = make_index();
    bytes[GetParam()] ^= static_cast<std::byte>(1U << bit);
    EXPECT_EQ(parse_wal_index_header(bytes).issue,
              GetParam() < 96 ? WalIndexIssue::copies_differ : WalIndexIssue::none)
        << "bit " << bit;
  }
}

class WalIndexCopiedByte : public testing::TestWithParam<std::size_t> {};

TEST_P(WalIndexCopiedByte, InBothCopies) {
  for (unsigned bit = 0; bit < 8; ++bit) {
    Buffer bytes = make_index();
    bytes[GetParam()] ^= static_cast<std::byte>(1U << bit);
    std::memcpy(bytes.data() + 48, bytes.data(), 48);
    const bool is_uninitialised = GetParam() == 12 && bit == 0;
    EXPECT_EQ(parse_wal_index_header(bytes).issue,
              is_uninitialised ? WalIndexIssue::not_initialised : WalIndexIssue::bad_checksum)
        << "bit " << bit;
  }
}

class WalIndexSummedByte : public testing::TestWithParam<std::size_t> {};

TEST_P(WalIndexSummedByte, InBothCopiesUnderARightChecksum) {
  for (unsigned bit = 0; bit < 8; ++bit) {
    Buffer bytes = make_index();
    bytes[GetParam()] ^= static_cast<std::byte>(1U << bit);
    seal(bytes);
    WalIndexIssue expected = WalIndexIssue::none;
    if (GetParam() < 4) expected = WalIndexIssue::bad_version;
    if (GetParam() == 12 && bit == 0) expected = WalIndexIssue::not_initialised;
    if (GetParam() == 14 || GetParam() == 15) {
      // SQLite masks the bits 1 to 8 away.
      std::uint16_t stored = 0;
      std::memcpy(&stored, bytes.data() + 14, sizeof stored);
      if ((stored & 0xfe01) != 4096) expected = WalIndexIssue::bad_page_size;
    }
    EXPECT_EQ(parse_wal_index_header(bytes).issue, expected) << "bit " << bit;
  }
}

INSTANTIATE_TEST_SUITE_P(All, WalIndexBrokenByte, testing::Range<std::size_t>(0, 136));
INSTANTIATE_TEST_SUITE_P(All, WalIndexCopiedByte, testing::Range<std::size_t>(0, 48));
INSTANTIATE_TEST_SUITE_P(All, WalIndexSummedByte, testing::Range<std::size_t>(0, 40));

TEST(WalIndex, RefusesTheFirstFaultOfSeveral) {
  Buffer bytes = make_index();
  put_native(bytes, 14, std::uint16_t{0x0600});
  seal(bytes);
  EXPECT_EQ(parse_wal_index_header(bytes).issue, WalIndexIssue::bad_page_size);
  put_native(bytes, 0, std::uint32_t{1});
  seal(bytes);
  EXPECT_EQ(parse_wal_index_header(bytes).issue, WalIndexIssue::bad_version);
  bytes[40] ^= std::byte{1};
  bytes[88] ^= std::byte{1};
  EXPECT_EQ(parse_wal_index_header(bytes).issue, WalIndexIssue::bad_checksum);
  bytes[12] = bytes[60] = std::byte{0};
  EXPECT_EQ(parse_wal_index_header(bytes).issue, WalIndexIssue::not_initialised);
  bytes[0] ^= std::byte{1};
  EXPECT_EQ(parse_wal_index_header(bytes).issue, WalIndexIssue::copies_differ);
}

class WalIndexGolden : public testing::TestWithParam<golden::Shm> {};

TEST_P(WalIndexGolden, Agrees) {
  const golden::Shm& expected = GetParam();
  const ParsedWalIndexHeader parsed =
      parse_wal_index_header(format_test::golden_file(expected.name + std::string("-shm")));
  ASSERT_TRUE(parsed) << to_string(parsed.issue);
  EXPECT_EQ(parsed->change_counter, expected.change_counter);
  EXPECT_EQ(parsed->big_endian_checksum, expected.big_endian_checksum);
  EXPECT_EQ(parsed->page_size_bytes, expected.page_size_bytes);
  EXPECT_EQ(parsed->mx_frame, expected.mx_frame);
  EXPECT_EQ(parsed->size_pages, expected.size_pages);
  EXPECT_EQ(parsed->frame_checksum, (WalChecksum{expected.frame_s0, expected.frame_s1}));
  EXPECT_EQ(parsed->salt, (WalSalt{expected.salt1, expected.salt2}));
  EXPECT_EQ(parsed->backfilled_frames, expected.backfilled_frames);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(parsed->read_marks[i], expected.read_marks[i]);
  EXPECT_EQ(parsed->backfill_attempted_frames, expected.backfill_attempted_frames);
}

// The files were written by a little-endian machine, and a wal-index is never carried to another.
INSTANTIATE_TEST_SUITE_P(All, WalIndexGolden,
                         testing::ValuesIn(kIsBigEndian ? std::span<const golden::Shm>{}
                                                        : std::span(golden::kWalIndexes)));
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WalIndexGolden);

class WalIndexLive : public testing::TestWithParam<std::uint32_t> {};

TEST_P(WalIndexLive, SaysWhatSqliteSays) {
  const TempDir directory;
  Db db(directory / "a.db");
  db.run("PRAGMA page_size=" + std::to_string(GetParam()) +
         "; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE a(v);"
         "INSERT INTO a VALUES(1)");
  // Closing it at once would drop the locks that this process holds on it.
  const UniqueFd shm(::open((directory / "a.db-shm").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_GE(shm.get(), 0);
  const auto look = [&] {
    Buffer bytes(kWalIndexHeaderSizeBytes);
    EXPECT_EQ(::pread(shm.get(), bytes.data(), bytes.size(), 0), ssize_t{136});
    return parse_wal_index_header(bytes);
  };
  const ParsedWalIndexHeader before = look();
  ASSERT_TRUE(before) << to_string(before.issue);
  EXPECT_EQ(before->page_size_bytes, GetParam());
  EXPECT_EQ(before->backfilled_frames, 0U);
  EXPECT_EQ(before->size_pages, db.integer("PRAGMA page_count"));
  {
    Db reader(directory / "a.db");
    reader.run("BEGIN; SELECT count(*) FROM a");
    db.run("INSERT INTO a VALUES(2)");
    int frames = 0;
    int backfilled = 0;
    ASSERT_EQ(sqlite3_wal_checkpoint_v2(db.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &frames,
                                        &backfilled),
              SQLITE_OK);
    const ParsedWalIndexHeader under_reader = look();
    ASSERT_TRUE(under_reader) << to_string(under_reader.issue);
    EXPECT_EQ(under_reader->mx_frame, frames);
    EXPECT_EQ(under_reader->backfilled_frames, backfilled);
    EXPECT_EQ(under_reader->backfilled_frames, before->mx_frame);
    EXPECT_EQ(under_reader->backfill_attempted_frames, before->mx_frame);
    EXPECT_GT(under_reader->mx_frame, before->mx_frame);
    EXPECT_EQ(under_reader->change_counter, before->change_counter + 1);
    EXPECT_EQ(under_reader->salt, before->salt);
    EXPECT_EQ(under_reader->read_marks[0], 0U);
    EXPECT_NE(std::find(under_reader->read_marks.begin(), under_reader->read_marks.end(),
                        before->mx_frame),
              under_reader->read_marks.end());
  }
  db.run("PRAGMA wal_checkpoint(RESTART); INSERT INTO a VALUES(3)");
  const ParsedWalIndexHeader restarted = look();
  ASSERT_TRUE(restarted) << to_string(restarted.issue);
  EXPECT_EQ(restarted->salt.salt1, before->salt.salt1 + 1);
  EXPECT_LT(restarted->mx_frame, before->mx_frame);
  EXPECT_EQ(restarted->backfilled_frames, 0U);
}

INSTANTIATE_TEST_SUITE_P(All, WalIndexLive, testing::ValuesIn(format_test::kPageSizes));

// Recovery of an absent or empty WAL, or one without a commit, writes page size 0.
TEST(WalIndexLive, OfAnEmptyWalHasNoPageSize) {
  const TempDir directory;
  const auto path = directory / "a.db";
  {
    Db db(path);
    db.run("PRAGMA journal_mode=WAL; CREATE TABLE a(v)");
  }
  Db db(path);
  EXPECT_EQ(db.integer("SELECT count(*) FROM a"), 0);
  const ParsedWalIndexHeader parsed =
      parse_wal_index_header(format_test::read_file(directory / "a.db-shm"));
  ASSERT_TRUE(parsed) << to_string(parsed.issue);
  EXPECT_EQ(parsed->page_size_bytes, 0U);
  EXPECT_EQ(parsed->mx_frame, 0U);
  EXPECT_EQ(parsed->size_pages, 0U);
}

// Open file description locks see SQLite's locks of the same process as foreign.
bool is_locked(const UniqueFd& shm, std::uint64_t byte) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(byte);
  lock.l_len = 1;
  EXPECT_EQ(::fcntl(shm.get(), F_OFD_GETLK, &lock), 0);
  return lock.l_type != F_UNLCK;
}

TEST(WalIndexLive, LockBytesAreThoseOfSqlite) {
  const TempDir directory;
  const auto path = directory / "a.db";
  {
    Db maker(path);
    maker.run("PRAGMA journal_mode=WAL; CREATE TABLE a(v)");
  }
  Db db(path);
  db.run("SELECT count(*) FROM a");
  const UniqueFd shm(::open((directory / "a.db-shm").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_GE(shm.get(), 0);
  const auto locked = [&] {
    std::set<std::uint64_t> bytes;
    for (std::uint64_t byte = 110; byte < 140; ++byte) {
      if (is_locked(shm, byte)) bytes.insert(byte);
    }
    return bytes;
  };
  using Set = std::set<std::uint64_t>;
  EXPECT_EQ(locked(), Set{kWalDmsLockByte});
  // Everything is in the main file, so a reader takes lock 0.
  db.run("BEGIN; SELECT count(*) FROM a");
  EXPECT_EQ(locked(), (Set{kWalReadLock0Byte, kWalDmsLockByte}));
  db.run("INSERT INTO a VALUES(1)");
  EXPECT_EQ(locked(), (Set{kWalWriteLockByte, kWalReadLock0Byte, kWalDmsLockByte}));
  db.run("COMMIT");
  EXPECT_EQ(locked(), Set{kWalDmsLockByte});
  // A checkpoint, looked at from its busy handler, while a reader holds it up.
  Db reader(path);
  reader.run("BEGIN; SELECT count(*) FROM a");
  db.run("INSERT INTO a VALUES(2)");
  Set under_checkpoint;
  struct Look {
    Set* result;
    const decltype(locked)* ask;
  } look{&under_checkpoint, &locked};
  sqlite3_busy_handler(
      db.handle(),
      [](void* argument, int) {
        auto* self = static_cast<Look*>(argument);
        *self->result = (*self->ask)();
        return 0;
      },
      &look);
  EXPECT_EQ(
      sqlite3_wal_checkpoint_v2(db.handle(), nullptr, SQLITE_CHECKPOINT_FULL, nullptr, nullptr),
      SQLITE_BUSY);
  EXPECT_TRUE(under_checkpoint.contains(kWalCheckpointLockByte));
  EXPECT_TRUE(under_checkpoint.contains(kWalWriteLockByte));
  EXPECT_FALSE(under_checkpoint.contains(kWalRecoverLockByte));
}

}  // namespace
}  // namespace sqlbk::format
