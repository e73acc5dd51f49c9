#include "sqlbk/format/db_header.hpp"

#include <array>
#include <set>

#include <gtest/gtest.h>

#include "format_support.hpp"
#include "golden_values.hpp"

namespace sqlbk::format {
namespace {

using format_test::Buffer;
using format_test::Db;
using format_test::put_be32;
using format_test::TempDir;

// A header in which every field has a value of its own.
Buffer make_header(std::uint32_t page_size_bytes = 4096) {
  Buffer bytes(kDbHeaderSizeBytes);
  std::memcpy(bytes.data(), "SQLite format 3", 16);
  const std::uint32_t stored = page_size_bytes == 65536 ? 1 : page_size_bytes;
  bytes[16] = static_cast<std::byte>(stored >> 8);
  bytes[17] = static_cast<std::byte>(stored & 0xff);
  bytes[18] = std::byte{2};
  bytes[19] = std::byte{1};
  bytes[20] = std::byte{12};
  bytes[21] = std::byte{64};
  bytes[22] = std::byte{32};
  bytes[23] = std::byte{32};
  for (std::size_t offset = 24; offset < bytes.size(); offset += 4) {
    put_be32(bytes, offset, 0x01020300U + static_cast<std::uint32_t>(offset));
  }
  return bytes;
}

// In the order of the file.
using Fields = std::array<std::uint32_t, 16>;
Fields fields(const DbHeader& header) {
  return {header.page_size_bytes,    header.write_version,  header.read_version,
          header.reserved_bytes,     header.change_counter, header.size_pages,
          header.freelist_pages,     header.schema_cookie,  header.schema_format,
          header.auto_vacuum_root,   header.text_encoding,  header.user_version,
          header.incremental_vacuum, header.application_id, header.version_valid_for,
          header.sqlite_version};
}

TEST(DbHeader, ReadsEveryField) {
  const ParsedDbHeader parsed = parse_db_header(make_header());
  ASSERT_TRUE(parsed) << to_string(parsed.issue);
  EXPECT_EQ(parsed->page_size_bytes, 4096U);
  EXPECT_EQ(parsed->write_version, 2);
  EXPECT_EQ(parsed->read_version, 1);
  EXPECT_EQ(parsed->reserved_bytes, 12);
  EXPECT_EQ(parsed->change_counter, 0x01020300U + 24);
  EXPECT_EQ(parsed->size_pages, 0x01020300U + 28);
  EXPECT_EQ(parsed->freelist_pages, 0x01020300U + 36);
  EXPECT_EQ(parsed->schema_cookie, 0x01020300U + 40);
  EXPECT_EQ(parsed->schema_format, 0x01020300U + 44);
  EXPECT_EQ(parsed->auto_vacuum_root, 0x01020300U + 52);
  EXPECT_EQ(parsed->text_encoding, 0x01020300U + 56);
  EXPECT_EQ(parsed->user_version, 0x01020300U + 60);
  EXPECT_EQ(parsed->incremental_vacuum, 0x01020300U + 64);
  EXPECT_EQ(parsed->application_id, 0x01020300U + 68);
  EXPECT_EQ(parsed->version_valid_for, 0x01020300U + 92);
  EXPECT_EQ(parsed->sqlite_version, 0x01020300U + 96);
}

TEST(DbHeader, SizeCountsOnlyWhereTheLastWriterKeptIt) {
  DbHeader header;
  header.size_pages = 7;
  header.change_counter = header.version_valid_for = 3;
  EXPECT_TRUE(header.has_valid_size());
  header.version_valid_for = 2;
  EXPECT_FALSE(header.has_valid_size());
  header.version_valid_for = 3;
  header.size_pages = 0;
  EXPECT_FALSE(header.has_valid_size());
}

TEST(DbHeader, SaysWalByItsReadVersion) {
  Buffer bytes = make_header();
  EXPECT_FALSE(parse_db_header(bytes)->says_wal());
  bytes[kDbReadVersionOffset] = std::byte{2};
  EXPECT_TRUE(parse_db_header(bytes)->says_wal());
}

TEST(DbHeader, EveryLengthBelow100IsTooShort) {
  const Buffer bytes = make_header();
  for (std::size_t length = 0; length < kDbHeaderSizeBytes; ++length) {
    EXPECT_EQ(parse_db_header(Bytes(bytes).first(length)).issue, DbHeaderIssue::too_short)
        << length;
  }
}

TEST(DbHeader, WhatFollowsTheHeaderDoesNotMatter) {
  Buffer bytes = make_header();
  const Fields expected = fields(*parse_db_header(bytes));
  const Buffer more = format_test::random_bytes(412, 1);
  bytes.insert(bytes.end(), more.begin(), more.end());
  const ParsedDbHeader parsed = parse_db_header(bytes);
  EXPECT_TRUE(parsed);
  EXPECT_EQ(fields(*parsed), expected);
}

TEST(DbHeader, EveryStoredPageSizeIsTakenOrRefusedAsInSqlite) {
  Buffer bytes = make_header();
  for (std::uint32_t stored = 0; stored <= 0xffff; ++stored) {
    bytes[16] = static_cast<std::byte>(stored >> 8);
    bytes[17] = static_cast<std::byte>(stored & 0xff);
    // lockBtree(): the second byte counts 65536s, not ones.
    const std::uint32_t size = (stored & 0xff00U) | (stored & 0xffU) << 16;
    const bool is_valid = (size & (size - 1)) == 0 && size <= 65536 && size > 256;
    const ParsedDbHeader parsed = parse_db_header(bytes);
    ASSERT_EQ(parsed.issue, is_valid ? DbHeaderIssue::none : DbHeaderIssue::bad_page_size)
        << stored;
    if (is_valid) {
      ASSERT_EQ(parsed->page_size_bytes, size);
    }
  }
}

TEST(DbHeader, RefusesTheFirstFaultOfSeveral) {
  Buffer bytes = make_header();
  bytes[21] = std::byte{0};
  EXPECT_EQ(parse_db_header(bytes).issue, DbHeaderIssue::bad_fractions);
  bytes[16] = std::byte{2};
  bytes[20] = std::byte{33};
  EXPECT_EQ(parse_db_header(bytes).issue, DbHeaderIssue::bad_reserved);
  bytes[19] = std::byte{3};
  EXPECT_EQ(parse_db_header(bytes).issue, DbHeaderIssue::bad_read_version);
  bytes[17] = std::byte{3};
  EXPECT_EQ(parse_db_header(bytes).issue, DbHeaderIssue::bad_page_size);
  bytes[0] = std::byte{0};
  EXPECT_EQ(parse_db_header(bytes).issue, DbHeaderIssue::bad_magic);
}

TEST(DbHeader, EveryIssueHasATextOfItsOwn) {
  std::set<std::string_view> texts;
  for (int issue = 0; issue <= static_cast<int>(DbHeaderIssue::bad_fractions); ++issue) {
    texts.insert(to_string(static_cast<DbHeaderIssue>(issue)));
  }
  EXPECT_EQ(texts.size(), 7U);
  EXPECT_FALSE(texts.contains("unknown"));
}

class DbHeaderPageSize : public testing::TestWithParam<std::uint32_t> {};

TEST_P(DbHeaderPageSize, IsRead) {
  const ParsedDbHeader parsed = parse_db_header(make_header(GetParam()));
  ASSERT_TRUE(parsed) << to_string(parsed.issue);
  EXPECT_EQ(parsed->page_size_bytes, GetParam());
}

TEST_P(DbHeaderPageSize, KeepsAtLeast480UsableBytes) {
  Buffer bytes = make_header(GetParam());
  for (unsigned reserved = 0; reserved <= 255; ++reserved) {
    bytes[20] = static_cast<std::byte>(reserved);
    const bool is_valid = GetParam() >= 480 + reserved;
    EXPECT_EQ(parse_db_header(bytes).issue,
              is_valid ? DbHeaderIssue::none : DbHeaderIssue::bad_reserved)
        << reserved;
  }
}

TEST_P(DbHeaderPageSize, AgreesWithAFileThatSqliteMadeJustNow) {
  const TempDir directory;
  const auto path = directory / "a.db";
  {
    Db db(path);
    db.run("PRAGMA page_size=" + std::to_string(GetParam()) +
           "; PRAGMA user_version=5; PRAGMA application_id=77; CREATE TABLE a(v);"
           "INSERT INTO a VALUES(zeroblob(200000)); INSERT INTO a VALUES(zeroblob(200000));"
           "DELETE FROM a WHERE rowid = 1");
    const Buffer bytes = format_test::read_file(path);
    const ParsedDbHeader parsed = parse_db_header(bytes);
    ASSERT_TRUE(parsed) << to_string(parsed.issue);
    EXPECT_EQ(parsed->page_size_bytes, GetParam());
    EXPECT_TRUE(parsed->has_valid_size());
    EXPECT_EQ(std::uint64_t{parsed->size_pages} * parsed->page_size_bytes, bytes.size());
    EXPECT_EQ(parsed->size_pages, db.integer("PRAGMA page_count"));
    EXPECT_EQ(parsed->schema_cookie, db.integer("PRAGMA schema_version"));
    EXPECT_EQ(parsed->schema_format, 4U);
    EXPECT_GT(parsed->freelist_pages, 0U);
    EXPECT_EQ(parsed->freelist_pages, db.integer("PRAGMA freelist_count"));
    EXPECT_EQ(parsed->user_version, 5U);
    EXPECT_EQ(parsed->application_id, 77U);
    EXPECT_EQ(parsed->text_encoding, 1U);
    EXPECT_EQ(parsed->write_version, 1);
    EXPECT_FALSE(parsed->says_wal());
    EXPECT_EQ(parsed->sqlite_version, static_cast<std::uint32_t>(sqlite3_libversion_number()));
    db.run("PRAGMA journal_mode=WAL");
  }
  const ParsedDbHeader parsed = parse_db_header(format_test::read_file(path));
  ASSERT_TRUE(parsed) << to_string(parsed.issue);
  EXPECT_EQ(parsed->write_version, 2);
  EXPECT_TRUE(parsed->says_wal());
}

INSTANTIATE_TEST_SUITE_P(All, DbHeaderPageSize, testing::ValuesIn(format_test::kPageSizes));

// Each byte of the header, each of its bits turned over.
class DbHeaderBrokenByte : public testing::TestWithParam<std::size_t> {};

DbHeaderIssue expected_issue(std::size_t offset, unsigned value) {
  if (offset < 16) return DbHeaderIssue::bad_magic;
  if (offset < 18) return DbHeaderIssue::bad_page_size;
  if (offset == 19 && value > 2) return DbHeaderIssue::bad_read_version;
  if (offset >= 21 && offset < 24) return DbHeaderIssue::bad_fractions;
  return DbHeaderIssue::none;
}

TEST_P(DbHeaderBrokenByte, GivesTheIssueOfItsField) {
  const std::size_t offset = GetParam();
  for (unsigned bit = 0; bit < 8; ++bit) {
    Buffer bytes = make_header();
    bytes[offset] ^= static_cast<std::byte>(1U << bit);
    const auto value = std::to_integer<unsigned>(bytes[offset]);
    EXPECT_EQ(parse_db_header(bytes).issue, expected_issue(offset, value))
        << "bit " << bit << ": " << to_string(parse_db_header(bytes).issue);
  }
}

TEST_P(DbHeaderBrokenByte, ChangesNoOtherField) {
  // Where the fields lie; a byte between them belongs to none.
  constexpr std::pair<std::size_t, std::size_t> kPlaces[] = {
      {16, 2}, {18, 1}, {19, 1}, {20, 1}, {24, 4}, {28, 4}, {36, 4}, {40, 4},
      {44, 4}, {52, 4}, {56, 4}, {60, 4}, {64, 4}, {68, 4}, {92, 4}, {96, 4}};
  const std::size_t offset = GetParam();
  Buffer bytes = make_header();
  const Fields before = fields(*parse_db_header(bytes));
  bytes[offset] ^= std::byte{1};
  const ParsedDbHeader parsed = parse_db_header(bytes);
  if (expected_issue(offset, std::to_integer<unsigned>(bytes[offset])) != DbHeaderIssue::none) {
    EXPECT_FALSE(parsed);
    return;
  }
  const Fields after = fields(*parsed);
  std::size_t expected = std::size(kPlaces);
  for (std::size_t i = 0; i < std::size(kPlaces); ++i) {
    if (offset - kPlaces[i].first < kPlaces[i].second) expected = i;
  }
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i] != after[i], i == expected) << "field " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, DbHeaderBrokenByte, testing::Range<std::size_t>(0, 100));

class DbHeaderGolden : public testing::TestWithParam<golden::Db> {};

TEST_P(DbHeaderGolden, Agrees) {
  const golden::Db& expected = GetParam();
  const Buffer bytes = format_test::golden_file(expected.name);
  EXPECT_EQ(bytes.size(), expected.file_size_bytes);
  const ParsedDbHeader parsed = parse_db_header(bytes);
  ASSERT_TRUE(parsed) << to_string(parsed.issue);
  EXPECT_EQ(fields(*parsed),
            (Fields{expected.page_size_bytes, expected.write_version, expected.read_version,
                    expected.reserved_bytes, expected.change_counter, expected.size_pages,
                    expected.freelist_pages, expected.schema_cookie, expected.schema_format,
                    expected.auto_vacuum_root, expected.text_encoding, expected.user_version,
                    expected.incremental_vacuum, expected.application_id,
                    expected.version_valid_for, expected.sqlite_version}));
}

INSTANTIATE_TEST_SUITE_P(All, DbHeaderGolden, testing::ValuesIn(golden::kDatabases));

TEST(DbHeaderGolden, RollbackDatabaseHoldsWhatItsMakerSet) {
  const ParsedDbHeader parsed = parse_db_header(format_test::golden_file("rollback.db"));
  ASSERT_TRUE(parsed) << to_string(parsed.issue);
  EXPECT_EQ(parsed->page_size_bytes, 1024U);
  EXPECT_EQ(parsed->size_pages, 4U);
  EXPECT_TRUE(parsed->has_valid_size());
  EXPECT_EQ(parsed->text_encoding, 2U);
  EXPECT_NE(parsed->auto_vacuum_root, 0U);
  EXPECT_EQ(parsed->incremental_vacuum, 1U);
  EXPECT_EQ(parsed->user_version, 41U);
  EXPECT_EQ(parsed->application_id, 0x53514c42U);
  EXPECT_FALSE(parsed->says_wal());
}

// SQLite itself is asked about every value of every byte that it checks: SQLITE_NOTADB exactly
// where the reader names an issue.
TEST(DbHeaderOracle, SqliteRefusesTheSameBytes) {
  const TempDir directory;
  const auto path = directory / "a.db";
  {
    Db db(path);
    db.run("PRAGMA page_size=512; CREATE TABLE a(v); INSERT INTO a VALUES(1)");
  }
  const Buffer original = format_test::read_file(path);
  for (std::size_t offset = 0; offset < 28; ++offset) {
    // All values where single values are told apart, else a few.
    const unsigned step = offset >= 16 && offset < 24 ? 1 : 51;
    for (unsigned value = 0; value <= 255; value += step) {
      Buffer bytes = original;
      bytes[offset] = static_cast<std::byte>(value);
      format_test::write_file(path, bytes);
      int rc = SQLITE_OK;
      {
        Db db(path);
        rc = db.try_run("SELECT count(*) FROM a");
      }
      const DbHeaderIssue issue = parse_db_header(bytes).issue;
      EXPECT_EQ(issue != DbHeaderIssue::none, rc == SQLITE_NOTADB)
          << "byte " << offset << " = " << value << ": SQLite " << rc << ", sqlbk "
          << to_string(issue);
      std::filesystem::remove(directory / "a.db-wal");
      std::filesystem::remove(directory / "a.db-shm");
    }
  }
}

}  // namespace
}  // namespace sqlbk::format
