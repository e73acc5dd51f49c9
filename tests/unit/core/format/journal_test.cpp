#include "sqlbk/format/journal.hpp"

#include <algorithm>
#include <set>
#include <string_view>

#include <gtest/gtest.h>

#include "format_support.hpp"
#include "golden_values.hpp"

namespace sqlbk::format {
namespace {

using format_test::Buffer;
using format_test::Db;
using format_test::put_be32;
using format_test::TempDir;

// fileformat2.html, section 3, in the order of the file.
constexpr std::uint8_t kMagicBytes[] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};

void append_magic(Buffer& bytes) {
  for (const std::uint8_t byte : kMagicBytes) bytes.push_back(std::byte{byte});
}

Buffer make_header(std::uint32_t page_size_bytes = 4096, std::uint32_t sector_size_bytes = 512) {
  Buffer bytes;
  append_magic(bytes);
  bytes.resize(28);
  put_be32(bytes, 8, 0x01020304);
  put_be32(bytes, 12, 0x05060708);
  put_be32(bytes, 16, 0x090a0b0c);
  put_be32(bytes, 20, sector_size_bytes);
  put_be32(bytes, 24, page_size_bytes);
  return bytes;
}

// Name, length, sum of the name's bytes, magic: what writeSuperJournal() puts at the end.
Buffer make_tail(std::string_view name) {
  Buffer bytes;
  std::uint32_t sum = 0;
  for (const char letter : name) {
    bytes.push_back(static_cast<std::byte>(letter));
    sum += static_cast<std::uint32_t>(letter);
  }
  bytes.resize(name.size() + 8);
  put_be32(bytes, name.size(), static_cast<std::uint32_t>(name.size()));
  put_be32(bytes, name.size() + 4, sum);
  append_magic(bytes);
  return bytes;
}

TEST(JournalHeader, ReadsEveryField) {
  const ParsedJournalHeader parsed = parse_journal_header(make_header());
  ASSERT_TRUE(parsed) << to_string(parsed.issue);
  EXPECT_EQ(parsed->record_count, 0x01020304U);
  EXPECT_EQ(parsed->nonce, 0x05060708U);
  EXPECT_EQ(parsed->initial_size_pages, 0x090a0b0cU);
  EXPECT_EQ(parsed->sector_size_bytes, 512U);
  EXPECT_EQ(parsed->page_size_bytes, 4096U);
}

TEST(JournalHeader, EveryIssueHasATextOfItsOwn) {
  std::set<std::string_view> texts;
  for (int issue = 0; issue <= static_cast<int>(JournalHeaderIssue::bad_page_size); ++issue) {
    texts.insert(to_string(static_cast<JournalHeaderIssue>(issue)));
  }
  EXPECT_EQ(texts.size(), 6U);
  EXPECT_FALSE(texts.contains("unknown"));
}

TEST(JournalHeader, EveryLengthBelow28IsTooShort) {
  const Buffer bytes = make_header();
  EXPECT_EQ(parse_journal_header({}).issue, JournalHeaderIssue::inactive);
  for (std::size_t length = 1; length < kJournalHeaderSizeBytes; ++length) {
    EXPECT_EQ(parse_journal_header(Bytes(bytes).first(length)).issue, JournalHeaderIssue::too_short)
        << length;
  }
}

TEST(JournalHeader, WhatFollowsTheHeaderDoesNotMatter) {
  Buffer bytes = make_header();
  bytes.resize(2000, std::byte{0x5a});
  EXPECT_TRUE(parse_journal_header(bytes));
}

TEST(JournalHeader, TakesThePageSizesOfSqliteAndZero) {
  EXPECT_EQ(parse_journal_header(make_header(0))->page_size_bytes, 0U);
  for (std::uint32_t size = 1; size <= 70000; ++size) {
    const bool is_valid =
        std::find(std::begin(format_test::kPageSizes), std::end(format_test::kPageSizes), size) !=
        std::end(format_test::kPageSizes);
    const ParsedJournalHeader parsed = parse_journal_header(make_header(size));
    ASSERT_EQ(parsed.issue, is_valid ? JournalHeaderIssue::none : JournalHeaderIssue::bad_page_size)
        << size;
    if (is_valid) {
      ASSERT_EQ(parsed->page_size_bytes, size);
    }
  }
}

TEST(JournalHeader, TakesTheSectorSizesOfSqlite) {
  for (std::uint32_t size = 0; size <= 140000; ++size) {
    bool is_valid = false;
    for (std::uint32_t power = 32; power <= 65536; power *= 2) is_valid |= size == power;
    const ParsedJournalHeader parsed = parse_journal_header(make_header(512, size));
    ASSERT_EQ(parsed.issue,
              is_valid ? JournalHeaderIssue::none : JournalHeaderIssue::bad_sector_size)
        << size;
    if (is_valid) {
      ASSERT_EQ(parsed->sector_size_bytes, size);
    }
  }
}

TEST(JournalHeader, RefusesTheFirstFaultOfSeveral) {
  Buffer bytes = make_header(3, 3);
  EXPECT_EQ(parse_journal_header(bytes).issue, JournalHeaderIssue::bad_sector_size);
  bytes[7] = std::byte{0};
  EXPECT_EQ(parse_journal_header(bytes).issue, JournalHeaderIssue::bad_magic);
  bytes.resize(27);
  EXPECT_EQ(parse_journal_header(bytes).issue, JournalHeaderIssue::too_short);
  bytes[0] = std::byte{0};
  EXPECT_EQ(parse_journal_header(bytes).issue, JournalHeaderIssue::inactive);
}

TEST(JournalHeader, AZeroInTheMagicIsInactiveOnlyAtTheStart) {
  for (std::size_t offset = 0; offset < 8; ++offset) {
    Buffer bytes = make_header();
    bytes[offset] = std::byte{0};
    EXPECT_EQ(parse_journal_header(bytes).issue,
              offset == 0 ? JournalHeaderIssue::inactive : JournalHeaderIssue::bad_magic)
        << offset;
  }
}

TEST(JournalState, IsThatOfTheFirstByte) {
  EXPECT_EQ(journal_state({}), JournalState::inactive);
  for (unsigned first = 0; first <= 255; ++first) {
    const Buffer alone(1, static_cast<std::byte>(first));
    Buffer more = make_header();
    more[0] = static_cast<std::byte>(first);
    const JournalState expected = first == 0 ? JournalState::inactive : JournalState::active;
    EXPECT_EQ(journal_state(alone), expected) << first;
    EXPECT_EQ(journal_state(more), expected) << first;
  }
}

// Each byte of the header, each of its bits turned over.
class JournalBrokenByte : public testing::TestWithParam<std::size_t> {};

TEST_P(JournalBrokenByte, GivesTheIssueOfItsField) {
  for (unsigned bit = 0; bit < 8; ++bit) {
    Buffer bytes = make_header();
    bytes[GetParam()] ^= static_cast<std::byte>(1U << bit);
    JournalHeaderIssue expected = JournalHeaderIssue::none;
    if (GetParam() < 8) expected = JournalHeaderIssue::bad_magic;
    if (GetParam() >= 20) expected = JournalHeaderIssue::bad_sector_size;
    if (GetParam() >= 24) expected = JournalHeaderIssue::bad_page_size;
    // Turning the only bit of the page size over leaves 0, which old versions wrote.
    if (GetParam() == 26 && bit == 4) expected = JournalHeaderIssue::none;
    EXPECT_EQ(parse_journal_header(bytes).issue, expected) << "bit " << bit;
  }
}

INSTANTIATE_TEST_SUITE_P(All, JournalBrokenByte, testing::Range<std::size_t>(0, 28));

TEST(SuperJournal, IsNamedAtTheEnd) {
  const Buffer tail = make_tail("/a/b.db-mj0123456789");
  EXPECT_TRUE(names_super_journal(tail));
  EXPECT_TRUE(names_super_journal(Bytes(tail).last(16)));
  EXPECT_FALSE(names_super_journal(make_header()));
}

TEST(SuperJournal, NeedsWholeTail) {
  const Buffer tail = make_tail("x");
  for (std::size_t length = 0; length < kSuperJournalTailSizeBytes; ++length) {
    EXPECT_FALSE(names_super_journal(Bytes(tail).last(length))) << length;
  }
}

TEST(SuperJournal, NeedsItsMagicAtTheVeryEnd) {
  Buffer tail = make_tail("name");
  for (std::size_t i = 1; i <= 8; ++i) {
    Buffer broken = tail;
    broken[broken.size() - i] ^= std::byte{1};
    EXPECT_FALSE(names_super_journal(broken)) << i;
  }
  tail.push_back(std::byte{0});
  EXPECT_FALSE(names_super_journal(tail));
}

TEST(SuperJournal, NameOfNoLengthIsNone) {
  EXPECT_FALSE(names_super_journal(make_tail("")));
  for (std::size_t i = 0; i < 4; ++i) {
    Buffer tail = make_tail("");
    tail[i] = std::byte{1};
    EXPECT_TRUE(names_super_journal(tail)) << i;
  }
}

TEST(SuperJournal, WrongChecksumOfTheNameIsStillRefused) {
  Buffer tail = make_tail("name");
  tail[4 + 4] ^= std::byte{1};
  EXPECT_TRUE(names_super_journal(tail));
}

class JournalGolden : public testing::TestWithParam<golden::Journal> {};

TEST_P(JournalGolden, Agrees) {
  const golden::Journal& expected = GetParam();
  const Buffer file = format_test::golden_file(expected.name + std::string("-journal"));
  EXPECT_EQ(file.size(), expected.file_size_bytes);
  EXPECT_EQ(journal_state(file), expected.active ? JournalState::active : JournalState::inactive);
  const ParsedJournalHeader parsed = parse_journal_header(file);
  EXPECT_EQ(parsed.issue,
            expected.active ? JournalHeaderIssue::none : JournalHeaderIssue::inactive);
  EXPECT_EQ(parsed->record_count, expected.record_count);
  EXPECT_EQ(parsed->nonce, expected.nonce);
  EXPECT_EQ(parsed->initial_size_pages, expected.initial_size_pages);
  EXPECT_EQ(parsed->sector_size_bytes, expected.sector_size_bytes);
  EXPECT_EQ(parsed->page_size_bytes, expected.page_size_bytes);
  const std::string_view name = expected.super_journal;
  EXPECT_EQ(names_super_journal(file), !name.empty());
  if (!name.empty()) {
    const Buffer tail = make_tail(name);
    EXPECT_TRUE(std::equal(tail.rbegin(), tail.rend(), file.rbegin()));
  }
}

INSTANTIATE_TEST_SUITE_P(All, JournalGolden, testing::ValuesIn(golden::kJournals));

TEST(JournalGolden, HoldWhatTheirMakersDid) {
  const auto parse = [](const char* name) {
    return parse_journal_header(format_test::golden_file(name));
  };
  const ParsedJournalHeader hot = parse("hot.db-journal");
  EXPECT_EQ(hot->page_size_bytes, 1024U);
  EXPECT_EQ(hot->initial_size_pages, 14U);
  EXPECT_NE(hot->record_count, kJournalCountFromSize);
  EXPECT_NE(hot->record_count, 0U);
  EXPECT_EQ(parse("nosync.db-journal")->record_count, kJournalCountFromSize);
  EXPECT_EQ(parse("persist.db-journal").issue, JournalHeaderIssue::inactive);
  EXPECT_FALSE(names_super_journal(format_test::golden_file("persist.db-journal")));
  EXPECT_TRUE(names_super_journal(format_test::golden_file("super.db-journal")));
  EXPECT_TRUE(names_super_journal(format_test::golden_file("super-aux.db-journal")));
}

class JournalLive : public testing::TestWithParam<std::uint32_t> {
 protected:
  Buffer journal() const { return format_test::read_file(directory_ / "a.db-journal"); }

  // Twenty pages at rest.
  std::int64_t fill(Db& db) {
    const std::string blob = "randomblob(" + std::to_string(GetParam() * 3 / 4) + ")";
    db.run("PRAGMA page_size=" + std::to_string(GetParam()) +
           "; CREATE TABLE a(k INTEGER PRIMARY KEY, v); BEGIN");
    for (int i = 0; i < 20; ++i) db.run("INSERT INTO a VALUES(NULL," + blob + ")");
    db.run("COMMIT");
    return db.integer("PRAGMA page_count");
  }

  const TempDir directory_;
};

TEST_P(JournalLive, HeaderOfASpilledTransaction) {
  Db db(directory_ / "a.db");
  const std::int64_t pages = fill(db);
  db.run("PRAGMA synchronous=FULL; PRAGMA cache_size=5; BEGIN; UPDATE a SET v=zeroblob(length(v))");
  const ParsedJournalHeader parsed = parse_journal_header(journal());
  ASSERT_TRUE(parsed) << to_string(parsed.issue);
  EXPECT_EQ(parsed->page_size_bytes, GetParam());
  EXPECT_EQ(parsed->initial_size_pages, pages);
  EXPECT_GT(parsed->record_count, 0U);
  EXPECT_LT(parsed->record_count, 25U);
  EXPECT_FALSE(names_super_journal(journal()));
  db.run("ROLLBACK");
  EXPECT_FALSE(std::filesystem::exists(directory_ / "a.db-journal"));
}

TEST_P(JournalLive, HeaderBeforeTheFirstSyncIsInactive) {
  Db db(directory_ / "a.db");
  fill(db);
  db.run("PRAGMA synchronous=FULL; BEGIN; UPDATE a SET v=1 WHERE k=1");
  // Nothing has been written to the main file: the magic comes with the sync.
  ASSERT_FALSE(journal().empty());
  EXPECT_EQ(journal_state(journal()), JournalState::inactive);
  db.run("ROLLBACK; PRAGMA synchronous=OFF; BEGIN; UPDATE a SET v=1 WHERE k=1");
  const ParsedJournalHeader parsed = parse_journal_header(journal());
  ASSERT_TRUE(parsed) << to_string(parsed.issue);
  EXPECT_EQ(parsed->record_count, kJournalCountFromSize);
  EXPECT_EQ(parsed->page_size_bytes, GetParam());
}

TEST_P(JournalLive, FinalisedByPersistOrTruncate) {
  Db db(directory_ / "a.db");
  fill(db);
  db.run("PRAGMA journal_mode=PERSIST; UPDATE a SET v=1 WHERE k=1");
  EXPECT_GT(journal().size(), GetParam());
  EXPECT_EQ(journal_state(journal()), JournalState::inactive);
  EXPECT_EQ(parse_journal_header(journal()).issue, JournalHeaderIssue::inactive);
  db.run("PRAGMA journal_mode=TRUNCATE; UPDATE a SET v=2 WHERE k=1");
  EXPECT_TRUE(journal().empty());
  EXPECT_EQ(parse_journal_header(journal()).issue, JournalHeaderIssue::inactive);
}

INSTANTIATE_TEST_SUITE_P(All, JournalLive, testing::ValuesIn(format_test::kPageSizes));

// SQLite itself is given the golden hot database with a damaged journal. It rolls back, which
// shortens the file (a wrong page size: changes its length), exactly where the reader finds a
// valid header.
class JournalOracle : public testing::Test {
 protected:
  enum class Result { untouched, rolled_back };

  Result recover(const char* name, std::span<const std::byte> journal) {
    const auto path = directory_ / "a.db";
    const Buffer main = format_test::golden_file(name);
    format_test::write_file(path, main);
    format_test::write_file(directory_ / "a.db-journal", journal);
    Db db(path);
    // What a half-done transaction left behind may well be called corrupt.
    db.try_run("PRAGMA synchronous=OFF; SELECT count(*) FROM sqlite_schema");
    return format_test::read_file(path) == main ? Result::untouched : Result::rolled_back;
  }

  const TempDir directory_;
};

TEST_F(JournalOracle, SqliteRollsBackUnderTheSameHeaders) {
  const Buffer journal = format_test::golden_file("hot.db-journal");
  ASSERT_EQ(recover("hot.db", journal), Result::rolled_back);
  for (std::size_t offset = 0; offset < kJournalHeaderSizeBytes; ++offset) {
    if (offset >= 16 && offset < 20) continue;  // another initial size: would grow the file
    for (const unsigned flip : {0x01U, 0x02U, 0x04U, 0x10U, 0x80U, 0xffU}) {
      Buffer broken = journal;
      broken[offset] ^= static_cast<std::byte>(flip);
      const ParsedJournalHeader parsed = parse_journal_header(broken);
      EXPECT_EQ(recover("hot.db", broken), parsed ? Result::rolled_back : Result::untouched)
          << "byte " << offset << " ^ " << flip << ": " << to_string(parsed.issue);
    }
  }
}

TEST_F(JournalOracle, FirstByteZeroIsNotHot) {
  Buffer journal = format_test::golden_file("hot.db-journal");
  journal[0] = std::byte{0};
  EXPECT_EQ(recover("hot.db", journal), Result::untouched);
  EXPECT_EQ(recover("hot.db", {}), Result::untouched);
}

TEST_F(JournalOracle, MissingSuperJournalMeansCommitted) {
  const Buffer journal = format_test::golden_file("super.db-journal");
  // The file that the tail names is not there: the transaction was committed.
  EXPECT_EQ(recover("super.db", journal), Result::untouched);
  // Without the tail it is an ordinary hot journal.
  const std::size_t tail = std::string_view(golden::kJournals[3].super_journal).size() + 20;
  ASSERT_STREQ(golden::kJournals[3].name, "super.db");
  const auto head = std::span(journal).first(journal.size() - tail);
  EXPECT_FALSE(names_super_journal(head));
  EXPECT_EQ(recover("super.db", head), Result::rolled_back);
  // A name of no length is no name, for SQLite too.
  Buffer nameless = journal;
  put_be32(nameless, nameless.size() - 16, 0);
  EXPECT_FALSE(names_super_journal(nameless));
  EXPECT_EQ(recover("super.db", nameless), Result::rolled_back);
  // With a wrong checksum SQLite rolls back; sqlbk refuses the name all the same.
  Buffer wrong = journal;
  wrong[wrong.size() - 12] ^= std::byte{1};
  EXPECT_TRUE(names_super_journal(wrong));
  EXPECT_EQ(recover("super.db", wrong), Result::rolled_back);
}

}  // namespace
}  // namespace sqlbk::format
