#include "sqlbk/format/wal.hpp"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "format_support.hpp"
#include "golden_values.hpp"
#include "sqlbk/format/wal_index.hpp"

namespace sqlbk::format {
namespace {

using format_test::Buffer;
using format_test::Db;
using format_test::get_be32;
using format_test::put_be32;
using format_test::random_bytes;
using format_test::slow_checksum;
using format_test::Sums;
using format_test::TempDir;

Sums sums(WalChecksum checksum) {
  return {checksum.s0, checksum.s1};
}

constexpr std::uint32_t kSalt1 = 0xa1b2c3d4;
constexpr std::uint32_t kSalt2 = 0x11223344;

Buffer make_header(std::uint32_t page_size_bytes, bool big_endian) {
  Buffer bytes(32);
  put_be32(bytes, 0, big_endian ? 0x377f0683 : 0x377f0682);
  put_be32(bytes, 4, 3007000);
  put_be32(bytes, 8, page_size_bytes);
  put_be32(bytes, 12, 9);
  put_be32(bytes, 16, kSalt1);
  put_be32(bytes, 20, kSalt2);
  const Sums sum = slow_checksum({0, 0}, std::span(bytes).first(24), big_endian);
  put_be32(bytes, 24, sum.first);
  put_be32(bytes, 28, sum.second);
  return bytes;
}

bool is_big_endian(std::span<const std::byte> header) {
  return (get_be32(header, 0) & 1U) != 0;
}

// A frame that continues `chain`, which is moved on behind it.
Buffer make_frame(std::span<const std::byte> header, Sums& chain, std::uint32_t page_number,
                  std::uint32_t commit_size_pages, std::span<const std::byte> page) {
  Buffer bytes(24 + page.size());
  std::copy(page.begin(), page.end(), bytes.begin() + 24);
  put_be32(bytes, 0, page_number);
  put_be32(bytes, 4, commit_size_pages);
  std::copy_n(header.begin() + 16, 8, bytes.begin() + 8);
  chain = slow_checksum(chain, std::span(bytes).first(8), is_big_endian(header));
  chain = slow_checksum(chain, page, is_big_endian(header));
  put_be32(bytes, 16, chain.first);
  put_be32(bytes, 20, chain.second);
  return bytes;
}

Sums header_sums(std::span<const std::byte> header) {
  return {get_be32(header, 24), get_be32(header, 28)};
}

// Frames of one WAL; commits[i] is the commit field of frame i + 1.
std::vector<Buffer> make_frames(const Buffer& header, const std::vector<std::uint32_t>& commits) {
  std::vector<Buffer> frames;
  Sums chain = header_sums(header);
  for (std::uint32_t i = 0; i < commits.size(); ++i) {
    const Buffer page = random_bytes(get_be32(header, 8), i);
    frames.push_back(make_frame(header, chain, i + 1, commits[i], page));
  }
  return frames;
}

// Offers the frames of a whole WAL file until one is refused.
WalScanner scan(Bytes file) {
  const ParsedWalHeader header = parse_wal_header(file);
  WalScanner scanner(*header);
  if (!header) return scanner;
  const std::uint32_t page_size = header->page_size_bytes;
  for (std::uint64_t frame = 1; frame <= wal_frames_in(file.size(), page_size); ++frame) {
    if (!scanner.accept(
            file.subspan(wal_frame_offset(frame, page_size), wal_frame_size_bytes(page_size)))) {
      break;
    }
  }
  return scanner;
}

TEST(WalChecksum, OfKnownWords) {
  // 1 2 3 4: s0 = 1, s1 = 2 + 1 = 3, s0 = 1 + 3 + 3 = 7, s1 = 3 + 4 + 7 = 14.
  Buffer bytes(16);
  for (std::uint32_t i = 0; i < 4; ++i) put_be32(bytes, 4 * i, i + 1);
  EXPECT_EQ(wal_checksum({}, bytes, true), (WalChecksum{7, 14}));
  for (auto word = bytes.begin(); word != bytes.end(); word += 4) std::reverse(word, word + 4);
  EXPECT_EQ(wal_checksum({}, bytes, false), (WalChecksum{7, 14}));
  EXPECT_NE(wal_checksum({}, bytes, true), (WalChecksum{7, 14}));
}

TEST(WalChecksum, WrapsAround) {
  const Buffer bytes(8, std::byte{0xff});
  // s0 = 5 - 1 + 7 = 11, s1 = 7 - 1 + 11 = 17.
  EXPECT_EQ(wal_checksum({5, 7}, bytes, true), (WalChecksum{11, 17}));
}

TEST(WalChecksum, OfNothingIsTheSeed) {
  EXPECT_EQ(wal_checksum({5, 7}, {}, true), (WalChecksum{5, 7}));
  EXPECT_EQ(wal_checksum({5, 7}, {}, false), (WalChecksum{5, 7}));
}

TEST(WalChecksum, AgreesWithTheSlowOneAndChains) {
  for (std::uint32_t size = 0; size <= 1024; size += 8) {
    const Buffer bytes = random_bytes(size, size);
    for (const bool big_endian : {false, true}) {
      const WalChecksum whole = wal_checksum({size, ~size}, bytes, big_endian);
      EXPECT_EQ(sums(whole), slow_checksum({size, ~size}, bytes, big_endian)) << size;
      const std::size_t cut = size / 16 * 8;
      const WalChecksum first = wal_checksum({size, ~size}, Bytes(bytes).first(cut), big_endian);
      EXPECT_EQ(wal_checksum(first, Bytes(bytes).subspan(cut), big_endian), whole) << size;
    }
  }
}

TEST(WalChecksum, TakesBytesAtAnyAddress) {
  const Buffer bytes = random_bytes(72, 3);
  for (std::size_t start = 0; start < 8; ++start) {
    const Bytes part = Bytes(bytes).subspan(start, 64);
    EXPECT_EQ(sums(wal_checksum({}, part, true)), slow_checksum({0, 0}, part, true));
  }
}

TEST(WalOffsets, AreThoseOfTheFormat) {
  EXPECT_EQ(wal_frame_size_bytes(512), 536U);
  EXPECT_EQ(wal_frame_size_bytes(65536), 65560U);
  EXPECT_EQ(wal_frame_offset(1, 512), 32U);
  EXPECT_EQ(wal_frame_offset(2, 512), 568U);
  // Behind 4 GiB: 32-bit arithmetic would wrap.
  EXPECT_EQ(wal_frame_offset(100001, 65536), 32U + 100000ULL * 65560);
}

TEST(WalOffsets, OnlyWholeFramesCount) {
  EXPECT_EQ(wal_frames_in(0, 512), 0U);
  EXPECT_EQ(wal_frames_in(31, 512), 0U);
  EXPECT_EQ(wal_frames_in(32, 512), 0U);
  EXPECT_EQ(wal_frames_in(32 + 535, 512), 0U);
  EXPECT_EQ(wal_frames_in(32 + 536, 512), 1U);
  EXPECT_EQ(wal_frames_in(32 + 3 * 536 - 1, 512), 2U);
  EXPECT_EQ(wal_frames_in(32 + 100000ULL * 65560, 65536), 100000U);
}

TEST(WalSalt, IsZeroOnlyWhereBothHalvesAre) {
  EXPECT_TRUE((WalSalt{0, 0}).is_zero());
  EXPECT_FALSE((WalSalt{0, 1}).is_zero());
  EXPECT_FALSE((WalSalt{1, 0}).is_zero());
}

TEST(WalHeader, EveryIssueHasATextOfItsOwn) {
  std::set<std::string_view> texts;
  for (int issue = 0; issue <= static_cast<int>(WalHeaderIssue::bad_version); ++issue) {
    texts.insert(to_string(static_cast<WalHeaderIssue>(issue)));
  }
  EXPECT_EQ(texts.size(), 6U);
  EXPECT_FALSE(texts.contains("unknown"));
}

TEST(WalHeader, EveryLengthBelow32IsTooShort) {
  const Buffer bytes = make_header(4096, false);
  for (std::size_t length = 0; length < 32; ++length) {
    EXPECT_EQ(parse_wal_header(Bytes(bytes).first(length)).issue, WalHeaderIssue::too_short)
        << length;
  }
}

TEST(WalHeader, WhatFollowsTheHeaderDoesNotMatter) {
  Buffer bytes = make_header(4096, false);
  bytes.resize(100, std::byte{0x5a});
  EXPECT_TRUE(parse_wal_header(bytes));
}

TEST(WalHeader, VersionCountsOnlyUnderARightChecksum) {
  Buffer bytes = make_header(4096, false);
  put_be32(bytes, 4, 3007001);
  EXPECT_EQ(parse_wal_header(bytes).issue, WalHeaderIssue::bad_checksum);
  const Sums sum = slow_checksum({0, 0}, std::span(bytes).first(24), false);
  put_be32(bytes, 24, sum.first);
  put_be32(bytes, 28, sum.second);
  EXPECT_EQ(parse_wal_header(bytes).issue, WalHeaderIssue::bad_version);
}

TEST(WalHeader, RefusesEveryOtherPageSize) {
  for (const std::uint32_t size :
       {0U, 1U, 256U, 511U, 513U, 1000U, 65535U, 65537U, 131072U, 0x80000000U, 0xffffffffU}) {
    EXPECT_EQ(parse_wal_header(make_header(size, false)).issue, WalHeaderIssue::bad_page_size)
        << size;
  }
}

// Page size and byte order of the checksum.
class WalKind : public testing::TestWithParam<std::tuple<std::uint32_t, bool>> {
 protected:
  std::uint32_t page_size() const { return std::get<0>(GetParam()); }
  bool big_endian() const { return std::get<1>(GetParam()); }
  Buffer header() const { return make_header(page_size(), big_endian()); }
};

TEST_P(WalKind, HeaderIsRead) {
  const ParsedWalHeader parsed = parse_wal_header(header());
  ASSERT_TRUE(parsed) << to_string(parsed.issue);
  EXPECT_EQ(parsed->big_endian_checksum, big_endian());
  EXPECT_EQ(parsed->page_size_bytes, page_size());
  EXPECT_EQ(parsed->checkpoint_sequence, 9U);
  EXPECT_EQ(parsed->salt, (WalSalt{kSalt1, kSalt2}));
  EXPECT_EQ(sums(parsed->checksum), header_sums(header()));
}

TEST_P(WalKind, HeaderIsWrittenAsItWasRead) {
  const Buffer expected = header();
  WalHeader parsed = *parse_wal_header(expected);
  parsed.checksum = {};  // is computed, not taken
  const auto encoded = encode_wal_header(parsed);
  EXPECT_TRUE(std::equal(encoded.begin(), encoded.end(), expected.begin(), expected.end()));
}

TEST_P(WalKind, FrameHeaderIsReadAndWritten) {
  const WalHeader wal = *parse_wal_header(header());
  const Buffer page = random_bytes(page_size(), 1);
  Sums chain = {77, 88};
  const Buffer expected = make_frame(header(), chain, 0x01020304, 0x05060708, page);
  const WalFrameHeader parsed = parse_wal_frame_header(expected);
  EXPECT_EQ(parsed.page_number, 0x01020304U);
  EXPECT_EQ(parsed.commit_size_pages, 0x05060708U);
  EXPECT_TRUE(parsed.is_commit());
  EXPECT_EQ(parsed.salt, (WalSalt{kSalt1, kSalt2}));
  EXPECT_EQ(sums(parsed.checksum), chain);
  const auto encoded = encode_wal_frame_header(wal, {77, 88}, 0x01020304, 0x05060708, page);
  EXPECT_TRUE(std::equal(encoded.begin(), encoded.end(), expected.begin()));
}

TEST_P(WalKind, ScannerFollowsTheChainAndTheCommits) {
  const std::vector<std::uint32_t> commits{0, 5, 0, 0, 3, 0};
  const std::vector<Buffer> frames = make_frames(header(), commits);
  WalScanner scanner(*parse_wal_header(header()));
  EXPECT_EQ(scanner.valid_frames(), 0U);
  EXPECT_EQ(scanner.committed_frames(), 0U);
  EXPECT_EQ(scanner.committed_size_pages(), 0U);
  EXPECT_EQ(sums(scanner.chain()), header_sums(header()));
  EXPECT_EQ(scanner.header().salt, (WalSalt{kSalt1, kSalt2}));
  const std::uint64_t committed[] = {0, 2, 2, 2, 5, 5};
  const std::uint32_t size[] = {0, 5, 5, 5, 3, 3};
  for (std::size_t i = 0; i < frames.size(); ++i) {
    ASSERT_TRUE(scanner.accept(frames[i])) << i;
    EXPECT_EQ(scanner.valid_frames(), i + 1);
    EXPECT_EQ(scanner.committed_frames(), committed[i]) << i;
    EXPECT_EQ(scanner.committed_size_pages(), size[i]) << i;
    EXPECT_EQ(sums(scanner.chain()), (Sums{get_be32(frames[i], 16), get_be32(frames[i], 20)}));
  }
}

INSTANTIATE_TEST_SUITE_P(All, WalKind,
                         testing::Combine(testing::ValuesIn(format_test::kPageSizes),
                                          testing::Bool()));

// Each byte of the header, each of its bits turned over.
class WalHeaderBrokenByte : public testing::TestWithParam<std::size_t> {};

TEST_P(WalHeaderBrokenByte, IsSeen) {
  const std::size_t offset = GetParam();
  for (const bool big_endian : {false, true}) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      Buffer bytes = make_header(4096, big_endian);
      bytes[offset] ^= static_cast<std::byte>(1U << bit);
      WalHeaderIssue expected = WalHeaderIssue::bad_checksum;
      // The lowest bit of the magic turns the byte order over, so that the checksum is wrong.
      if (offset < 4 && !(offset == 3 && bit == 0)) expected = WalHeaderIssue::bad_magic;
      if (offset >= 8 && offset < 12) expected = WalHeaderIssue::bad_page_size;
      EXPECT_EQ(parse_wal_header(bytes).issue, expected)
          << "bit " << bit << ": " << to_string(parse_wal_header(bytes).issue);
    }
  }
}

// The bytes before the checksum.
class WalHeaderSummedByte : public testing::TestWithParam<std::size_t> {};

TEST_P(WalHeaderSummedByte, MattersByItselfUnderARightChecksum) {
  const std::size_t offset = GetParam();
  for (unsigned bit = 0; bit < 8; ++bit) {
    Buffer bytes = make_header(4096, false);
    bytes[offset] ^= static_cast<std::byte>(1U << bit);
    const Sums sum = slow_checksum({0, 0}, std::span(bytes).first(24), is_big_endian(bytes));
    put_be32(bytes, 24, sum.first);
    put_be32(bytes, 28, sum.second);
    WalHeaderIssue expected = WalHeaderIssue::none;
    if (offset < 4 && !(offset == 3 && bit == 0)) expected = WalHeaderIssue::bad_magic;
    if (offset >= 4 && offset < 8) expected = WalHeaderIssue::bad_version;
    if (offset >= 8 && offset < 12) expected = WalHeaderIssue::bad_page_size;
    EXPECT_EQ(parse_wal_header(bytes).issue, expected) << "bit " << bit;
  }
}

INSTANTIATE_TEST_SUITE_P(All, WalHeaderBrokenByte, testing::Range<std::size_t>(0, 32));
INSTANTIATE_TEST_SUITE_P(All, WalHeaderSummedByte, testing::Range<std::size_t>(0, 24));

// Each byte of a frame of 512 bytes: its header's 24 and its page's.
class WalFrameBrokenByte : public testing::TestWithParam<std::size_t> {};

TEST_P(WalFrameBrokenByte, EndsThePrefixAndLeavesTheStateAlone) {
  for (const bool big_endian : {false, true}) {
    const Buffer header = make_header(512, big_endian);
    const std::vector<Buffer> frames = make_frames(header, {4, 0, 6});
    WalScanner scanner(*parse_wal_header(header));
    ASSERT_TRUE(scanner.accept(frames[0]));
    const WalChecksum chain = scanner.chain();
    for (unsigned bit = 0; bit < 8; ++bit) {
      Buffer broken = frames[1];
      broken[GetParam()] ^= static_cast<std::byte>(1U << bit);
      EXPECT_FALSE(scanner.accept(broken)) << "bit " << bit;
      EXPECT_EQ(scanner.valid_frames(), 1U);
      EXPECT_EQ(scanner.committed_frames(), 1U);
      EXPECT_EQ(scanner.committed_size_pages(), 4U);
      EXPECT_EQ(scanner.chain(), chain);
    }
    EXPECT_TRUE(scanner.accept(frames[1]));
    EXPECT_TRUE(scanner.accept(frames[2]));
    EXPECT_EQ(scanner.committed_frames(), 3U);
  }
}

INSTANTIATE_TEST_SUITE_P(All, WalFrameBrokenByte, testing::Range<std::size_t>(0, 536));

TEST(WalScanner, RefusesEveryOtherFrameSize) {
  const Buffer header = make_header(512, false);
  WalScanner scanner(*parse_wal_header(header));
  Buffer frame = make_frames(header, {1})[0];
  frame.resize(1200);
  for (std::size_t size = 0; size <= frame.size(); ++size) {
    if (size == 536) continue;
    ASSERT_FALSE(scanner.accept(Bytes(frame).first(size))) << size;
  }
  EXPECT_EQ(scanner.valid_frames(), 0U);
  EXPECT_EQ(sums(scanner.chain()), header_sums(header));
  EXPECT_TRUE(scanner.accept(Bytes(frame).first(536)));
}

TEST(WalScanner, RefusesPageNumberZeroUnderARightChecksum) {
  const Buffer header = make_header(512, false);
  const Buffer page = random_bytes(512, 1);
  Sums chain = header_sums(header);
  const Buffer zero = make_frame(header, chain, 0, 1, page);
  chain = header_sums(header);
  const Buffer one = make_frame(header, chain, 1, 1, page);
  WalScanner scanner(*parse_wal_header(header));
  EXPECT_FALSE(scanner.accept(zero));
  EXPECT_TRUE(scanner.accept(one));
}

TEST(WalScanner, ComparesTheSaltsButDoesNotSumThem) {
  const Buffer header = make_header(512, false);
  const Buffer frame = make_frames(header, {1})[0];
  for (const std::size_t offset : {std::size_t{8}, std::size_t{12}}) {
    // The same checksums under another salt: refused by the one header, taken by the other.
    Buffer salted = frame;
    put_be32(salted, offset, 0x01010101);
    WalHeader other = *parse_wal_header(header);
    (offset == 8 ? other.salt.salt1 : other.salt.salt2) = 0x01010101;
    WalScanner scanner(*parse_wal_header(header));
    WalScanner other_scanner(other);
    EXPECT_FALSE(scanner.accept(salted));
    EXPECT_TRUE(scanner.accept(frame));
    EXPECT_FALSE(other_scanner.accept(frame));
    EXPECT_TRUE(other_scanner.accept(salted));
    EXPECT_EQ(scanner.chain(), other_scanner.chain());
  }
}

TEST(WalScanner, RefusesAFrameOfAnotherPlace) {
  const Buffer header = make_header(512, false);
  const std::vector<Buffer> frames = make_frames(header, {1, 1, 1});
  WalScanner scanner(*parse_wal_header(header));
  EXPECT_FALSE(scanner.accept(frames[1]));
  EXPECT_TRUE(scanner.accept(frames[0]));
  EXPECT_FALSE(scanner.accept(frames[0]));
  EXPECT_FALSE(scanner.accept(frames[2]));
  EXPECT_TRUE(scanner.accept(frames[1]));
}

TEST(WalScanner, RefusesFramesWithoutSalts) {
  // Bug Z of SQLite before 3.50: salts and checksums are zero.
  const Buffer header = make_header(512, false);
  Buffer frame = make_frames(header, {1})[0];
  std::fill_n(frame.begin() + 8, 16, std::byte{0});
  WalScanner scanner(*parse_wal_header(header));
  EXPECT_FALSE(scanner.accept(frame));
}

TEST(WalScanner, RewindsToTheLastCommit) {
  const Buffer header = make_header(512, false);
  const std::vector<Buffer> frames = make_frames(header, {0, 7, 0, 0});
  WalScanner scanner(*parse_wal_header(header));
  for (const Buffer& frame : frames) ASSERT_TRUE(scanner.accept(frame));
  scanner.rewind_to_commit();
  EXPECT_EQ(scanner.valid_frames(), 2U);
  EXPECT_EQ(scanner.committed_frames(), 2U);
  EXPECT_EQ(scanner.committed_size_pages(), 7U);
  EXPECT_EQ(sums(scanner.chain()), (Sums{get_be32(frames[1], 16), get_be32(frames[1], 20)}));
  // A writer has rolled back and put another transaction into the slots.
  Sums chain = sums(scanner.chain());
  const Buffer other = make_frame(header, chain, 9, 8, random_bytes(512, 99));
  EXPECT_FALSE(scanner.accept(frames[3]));
  EXPECT_TRUE(scanner.accept(other));
  EXPECT_EQ(scanner.committed_frames(), 3U);
  EXPECT_EQ(scanner.committed_size_pages(), 8U);
  EXPECT_FALSE(scanner.accept(frames[3]));
}

TEST(WalScanner, RewindsToTheStartWithoutACommit) {
  const Buffer header = make_header(512, true);
  const std::vector<Buffer> frames = make_frames(header, {0, 0, 5});
  WalScanner scanner(*parse_wal_header(header));
  ASSERT_TRUE(scanner.accept(frames[0]));
  ASSERT_TRUE(scanner.accept(frames[1]));
  scanner.rewind_to_commit();
  EXPECT_EQ(scanner.valid_frames(), 0U);
  EXPECT_EQ(sums(scanner.chain()), header_sums(header));
  for (const Buffer& frame : frames) ASSERT_TRUE(scanner.accept(frame));
  scanner.rewind_to_commit();
  EXPECT_EQ(scanner.valid_frames(), 3U);
}

class WalGolden : public testing::TestWithParam<golden::Wal> {};

TEST_P(WalGolden, Agrees) {
  const golden::Wal& expected = GetParam();
  const Buffer file = format_test::golden_file(expected.name + std::string("-wal"));
  EXPECT_EQ(file.size(), expected.file_size_bytes);
  const ParsedWalHeader header = parse_wal_header(file);
  ASSERT_TRUE(header) << to_string(header.issue);
  EXPECT_EQ(header->page_size_bytes, expected.page_size_bytes);
  EXPECT_EQ(header->checkpoint_sequence, expected.sequence);
  EXPECT_EQ(header->salt, (WalSalt{expected.salt1, expected.salt2}));
  EXPECT_EQ(header->checksum, (WalChecksum{expected.s0, expected.s1}));
  ASSERT_EQ(wal_frames_in(file.size(), header->page_size_bytes), expected.frames.size());
  for (std::size_t i = 0; i < expected.frames.size(); ++i) {
    const WalFrameHeader frame = parse_wal_frame_header(
        Bytes(file).subspan(wal_frame_offset(i + 1, header->page_size_bytes)));
    EXPECT_EQ(frame.page_number, expected.frames[i].page_number) << i;
    EXPECT_EQ(frame.commit_size_pages, expected.frames[i].commit_size_pages) << i;
    EXPECT_EQ(frame.salt, (WalSalt{expected.frames[i].salt1, expected.frames[i].salt2})) << i;
    EXPECT_EQ(frame.checksum, (WalChecksum{expected.frames[i].s0, expected.frames[i].s1})) << i;
  }
  const WalScanner scanner = scan(file);
  EXPECT_EQ(scanner.valid_frames(), expected.valid_frames);
  EXPECT_EQ(scanner.committed_frames(), expected.committed_frames);
  EXPECT_EQ(scanner.committed_size_pages(), expected.committed_pages);
}

TEST_P(WalGolden, EveryValidFrameIsWrittenAsItWasRead) {
  const Buffer file = format_test::golden_file(GetParam().name + std::string("-wal"));
  const WalHeader header = *parse_wal_header(file);
  WalChecksum chain = header.checksum;
  for (std::uint64_t i = 1; i <= GetParam().valid_frames; ++i) {
    const Bytes bytes = Bytes(file).subspan(wal_frame_offset(i, header.page_size_bytes),
                                            wal_frame_size_bytes(header.page_size_bytes));
    const WalFrameHeader frame = parse_wal_frame_header(bytes);
    const auto encoded = encode_wal_frame_header(header, chain, frame.page_number,
                                                 frame.commit_size_pages, bytes.subspan(24));
    ASSERT_TRUE(std::equal(encoded.begin(), encoded.end(), bytes.begin())) << i;
    chain = frame.checksum;
  }
}

INSTANTIATE_TEST_SUITE_P(All, WalGolden, testing::ValuesIn(golden::kWals));

TEST(WalGolden, CommittedTransactionsAreWhole) {
  const WalScanner scanner = scan(format_test::golden_file("wal.db-wal"));
  EXPECT_EQ(scanner.header().page_size_bytes, 1024U);
  EXPECT_EQ(scanner.header().checkpoint_sequence, 1U);
  EXPECT_EQ(scanner.valid_frames(), 8U);
  EXPECT_EQ(scanner.committed_frames(), 8U);
  EXPECT_EQ(scanner.committed_size_pages(), 9U);
}

TEST(WalGolden, SpilledTailIsValidButNotCommitted) {
  WalScanner scanner = scan(format_test::golden_file("spilled.db-wal"));
  EXPECT_EQ(scanner.valid_frames(), 41U);
  EXPECT_EQ(scanner.committed_frames(), 24U);
  EXPECT_EQ(scanner.committed_size_pages(), 22U);
  scanner.rewind_to_commit();
  EXPECT_EQ(scanner.valid_frames(), 24U);
}

TEST(WalGolden, ZeroSaltFramesAreCommittedButNotValid) {
  const Buffer file = format_test::golden_file("zerosalt.db-wal");
  const WalScanner scanner = scan(file);
  EXPECT_EQ(scanner.valid_frames(), 1U);
  EXPECT_EQ(scanner.committed_frames(), 1U);
  const ParsedWalIndexHeader index =
      parse_wal_index_header(format_test::golden_file("zerosalt.db-shm"));
  ASSERT_TRUE(index) << to_string(index.issue);
  EXPECT_EQ(index->mx_frame, 41U);
  EXPECT_EQ(index->salt, scanner.header().salt);
  const auto frame = [&](std::uint64_t number) {
    return parse_wal_frame_header(Bytes(file).subspan(wal_frame_offset(number, 512)));
  };
  EXPECT_TRUE(frame(2).salt.is_zero());
  EXPECT_EQ(frame(2).checksum, WalChecksum{});
  // The wal-index ends at a commit: page numbers and commit marks are written as ever.
  EXPECT_TRUE(frame(41).is_commit());
  EXPECT_EQ(frame(41).commit_size_pages, index->size_pages);
}

class WalLive : public testing::TestWithParam<std::uint32_t> {};

TEST_P(WalLive, PrefixEndsWhereTheLiveIndexSays) {
  const TempDir directory;
  const auto path = directory / "a.db";
  Db db(path);
  db.run("PRAGMA page_size=" + std::to_string(GetParam()) +
         "; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=5;"
         "CREATE TABLE a(k INTEGER PRIMARY KEY, v)");
  const auto check = [&](bool has_spilled) {
    const Buffer wal = format_test::read_file(directory / "a.db-wal");
    // This closes a descriptor of -shm and so drops this process's locks on it; nobody else is
    // there to mind.
    const ParsedWalIndexHeader index =
        parse_wal_index_header(format_test::read_file(directory / "a.db-shm"));
    ASSERT_TRUE(index) << to_string(index.issue);
    WalScanner scanner = scan(wal);
    EXPECT_EQ(scanner.committed_frames(), index->mx_frame);
    EXPECT_EQ(scanner.committed_size_pages(), index->size_pages);
    EXPECT_EQ(scanner.header().page_size_bytes, GetParam());
    EXPECT_EQ(index->page_size_bytes, GetParam());
    EXPECT_EQ(scanner.header().salt, index->salt);
    EXPECT_EQ(scanner.header().big_endian_checksum, index->big_endian_checksum);
    EXPECT_EQ(scanner.valid_frames() > scanner.committed_frames(), has_spilled);
    scanner.rewind_to_commit();
    EXPECT_EQ(scanner.chain(), index->frame_checksum);
  };
  check(false);
  for (int i = 0; i < 10; ++i) {
    db.run("INSERT INTO a SELECT NULL, randomblob(" + std::to_string(GetParam() / 2) +
           ") FROM json_each('[1,2,3,4,5,6,7]')");
  }
  check(false);
  db.run("BEGIN; UPDATE a SET v=randomblob(" + std::to_string(GetParam() / 2) + ")");
  check(true);
  db.run("ROLLBACK");
  db.run("PRAGMA wal_checkpoint(RESTART); INSERT INTO a VALUES(NULL,1); DELETE FROM a WHERE k<9");
  check(false);
}

INSTANTIATE_TEST_SUITE_P(All, WalLive, testing::ValuesIn(format_test::kPageSizes));

// SQLite itself recovers damaged WAL files, and must find the same last commit.
class WalOracle : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    Db db(path_);
    db.run(
        "PRAGMA page_size=512; PRAGMA journal_mode=WAL; CREATE TABLE a(v);"
        "PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO a VALUES(zeroblob(900));"
        "INSERT INTO a VALUES(2); CREATE TABLE b(v); DELETE FROM a");
    main_ = format_test::read_file(path_);
    wal_ = format_test::read_file(wal_path_);
    if (!GetParam()) return;
    // SQLite writes in the byte order of the machine, but reads both: sum it again the other way.
    WalHeader header = *parse_wal_header(wal_);
    header.big_endian_checksum = true;
    const auto bytes = encode_wal_header(header);
    std::copy(bytes.begin(), bytes.end(), wal_.begin());
    header = *parse_wal_header(wal_);
    WalChecksum chain = header.checksum;
    for (std::uint64_t i = 1; i <= wal_frames_in(wal_.size(), 512); ++i) {
      const auto frame = std::span(wal_).subspan(wal_frame_offset(i, 512), 536);
      const WalFrameHeader old = parse_wal_frame_header(frame);
      const auto encoded = encode_wal_frame_header(header, chain, old.page_number,
                                                   old.commit_size_pages, frame.subspan(24));
      std::copy(encoded.begin(), encoded.end(), frame.begin());
      chain = parse_wal_frame_header(frame).checksum;
    }
  }

  // mxFrame after SQLite's recovery, -1 where it refuses the database.
  int recovered_frames(std::span<const std::byte> wal) {
    std::filesystem::remove(directory_ / "a.db-shm");
    format_test::write_file(path_, main_);
    format_test::write_file(wal_path_, wal);
    Db db(path_);
    const int rc = db.try_run("PRAGMA synchronous=OFF; SELECT count(*) FROM sqlite_schema");
    if (rc == SQLITE_CANTOPEN) return -1;
    EXPECT_EQ(rc, SQLITE_OK);
    int frames = -2;
    EXPECT_EQ(sqlite3_wal_checkpoint_v2(db.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &frames,
                                        nullptr),
              SQLITE_OK);
    return frames;
  }

  void compare(std::span<const std::byte> wal, const std::string& what) {
    const ParsedWalHeader header = parse_wal_header(wal);
    const int expected = header.issue == WalHeaderIssue::bad_version
                             ? -1
                             : static_cast<int>(scan(wal).committed_frames());
    EXPECT_EQ(recovered_frames(wal), expected) << what;
  }

  const TempDir directory_;
  const std::filesystem::path path_ = directory_ / "a.db";
  const std::filesystem::path wal_path_ = directory_ / "a.db-wal";
  Buffer main_;
  Buffer wal_;
};

TEST_P(WalOracle, TheWholeFile) {
  ASSERT_GE(scan(wal_).committed_frames(), 6U);
  EXPECT_EQ(scan(wal_).header().big_endian_checksum, GetParam());
  compare(wal_, "whole");
}

TEST_P(WalOracle, OneByteBroken) {
  for (std::size_t offset = 0; offset < wal_.size(); ++offset) {
    const std::size_t in_frame = offset < 32 ? 0 : (offset - 32) % 536;
    if (in_frame >= 24 && in_frame % 61 != 0) continue;  // some bytes of each page
    Buffer wal = wal_;
    wal[offset] ^= std::byte{0x10};
    compare(wal, "byte " + std::to_string(offset));
  }
}

TEST_P(WalOracle, HeaderBrokenUnderARightChecksum) {
  for (std::size_t offset = 0; offset < 24; ++offset) {
    Buffer wal = wal_;
    wal[offset] ^= std::byte{1};
    const Sums sum = slow_checksum({0, 0}, std::span(wal).first(24), is_big_endian(wal));
    put_be32(wal, 24, sum.first);
    put_be32(wal, 28, sum.second);
    compare(wal, "byte " + std::to_string(offset));
  }
}

TEST_P(WalOracle, CutShort) {
  for (std::size_t size = 0; size < wal_.size(); size += size < 40 ? 1 : 67) {
    compare(std::span(wal_).first(size), "size " + std::to_string(size));
  }
}

INSTANTIATE_TEST_SUITE_P(BothByteOrders, WalOracle, testing::Bool());

}  // namespace
}  // namespace sqlbk::format
