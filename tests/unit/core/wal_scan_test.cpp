#include "sqlbk/core/wal_scan.hpp"

#include <algorithm>
#include <cstdint>

#include <gtest/gtest.h>

#include "errors.hpp"
#include "wal_files.hpp"
#include "wal_pair.hpp"

namespace sqlbk {
namespace {

using test::append;
using test::Buffer;
using test::code_of;
using test::empty_schema_page;
using test::Files;
using test::kFrameHeader;
using test::kWalHeader;
using test::Random;
using test::synthetic_files;
using test::WalBuilder;
using test::WalPairTest;

using WalScanTest = WalPairTest;

TEST_F(WalScanTest, TellsValidFramesFromCommittedOnes) {
  WalBuilder wal(512, true, {7, 8});
  const Buffer page(512, std::byte{1});
  wal.add(1, 0, page);
  wal.add(2, 5, page);
  wal.add(3, 0, page);
  const WalScan found = scan(wal.bytes());
  ASSERT_TRUE(found.header);
  EXPECT_TRUE(found.header->big_endian_checksum);
  EXPECT_EQ(found.header->salt, (format::WalSalt{7, 8}));
  EXPECT_EQ(found.committed.frames, 2U);
  EXPECT_EQ(found.committed.size_pages, 5U);
  EXPECT_EQ(found.committed.header.page_size_bytes, 512U);
  EXPECT_FALSE(found.committed.vouched_by_index);
  EXPECT_EQ(found.valid_frames, 3U);
  EXPECT_FALSE(found.zero_salts_follow);
}

// What the scan notes of the frames is what reading their headers finds.
TEST_F(WalScanTest, NotesTheLastFrameOfEachPage) {
  Random random(3);
  int noted = 0;
  int behind_commit = 0;
  for (int i = 0; i < 100; ++i) {
    const Files files = synthetic_files(random, empty_schema_page(directory_, 512), 0);
    const WalScan found = scan(files.wal);
    if (found.committed.frames == 0) continue;
    if (found.valid_frames != found.committed.frames) ++behind_commit;
    EXPECT_EQ(found.committed.last_frames.frames, found.committed.frames);
    ++noted;
    const UniqueFd main = main_with(files.main);
    const UniqueFd wal = wal_with(files.wal);
    WalPrefix without_notes = found.committed;
    without_notes.last_frames = {};
    const CommittedView view = CommittedView::of_wal(
        {main.get(), main_path()}, {wal.get(), wal_path()}, without_notes, context_.context);
    EXPECT_TRUE(
        std::ranges::equal(view.newer().map.pages(), found.committed.last_frames.map.pages()));
  }
  EXPECT_GT(noted, 10);
  EXPECT_GT(behind_commit, 10);
}

TEST_F(WalScanTest, ReadsWalsLongerThanItsBuffer) {
  WalBuilder wal(65536, false, {7, 8});
  Buffer page(65536);
  Random random(1);
  for (std::uint32_t i = 1; i <= 70; ++i) {
    random.fill(page);
    wal.add(i, i, page);
  }
  EXPECT_EQ(scan(wal.bytes()).committed.frames, 70U);
  context_.cancel.request();
  EXPECT_EQ(code_of([&] { scan(wal.bytes()); }), Errc::interrupted);
}

// ---- Zero salts behind the valid prefix.

TEST_F(WalScanTest, ZeroSaltsBehindTheValidPrefixAreSeen) {
  const Buffer page(512, std::byte{1});
  const auto with_tail = [&](const Buffer& tail, int frames = 2) {
    WalBuilder wal(512, false, {7, 8});
    for (int i = 0; i < frames; ++i) wal.add(1, i == 0 ? 1 : 0, page);
    Buffer bytes = wal.bytes();
    append(bytes, tail);
    return scan(bytes);
  };
  Buffer zero_salt_frame(kFrameHeader + 512, std::byte{9});
  std::fill_n(zero_salt_frame.begin() + 8, 16, std::byte{0});

  EXPECT_TRUE(with_tail(zero_salt_frame).zero_salts_follow);
  EXPECT_TRUE(with_tail(zero_salt_frame, 0).zero_salts_follow) << "first frame of the generation";
  EXPECT_EQ(with_tail(zero_salt_frame).valid_frames, 2U) << "not part of the valid prefix";
  EXPECT_EQ(with_tail(zero_salt_frame).committed.frames, 1U);

  // Cut anywhere: nothing of the salts, a part of them, all of them, a part of the page.
  for (const std::size_t size : {0U, 1U, 7U, 8U}) {
    Buffer part = zero_salt_frame;
    part.resize(size);
    EXPECT_FALSE(with_tail(part).zero_salts_follow) << size;
  }
  for (const std::size_t size : {9U, 12U, 15U, 16U, 17U, 23U, 24U, 25U, 535U}) {
    Buffer part = zero_salt_frame;
    part.resize(size);
    EXPECT_TRUE(with_tail(part).zero_salts_follow) << size;
  }
  // One byte of the salts that is there and not zero clears it, wherever it stands.
  for (std::size_t at = 8; at < 16; ++at) {
    for (const std::size_t size : {at + 1, std::size_t{24}, zero_salt_frame.size()}) {
      Buffer other = zero_salt_frame;
      other[at] = std::byte{1};
      other.resize(size);
      EXPECT_FALSE(with_tail(other).zero_salts_follow) << at << ", " << size;
    }
  }
  // What stands in the rest of the header says nothing.
  Buffer all_zero(kFrameHeader + 512);
  EXPECT_TRUE(with_tail(all_zero).zero_salts_follow);
  // Only the slot behind the valid prefix counts, not one further behind.
  Buffer broken(kFrameHeader + 512, std::byte{9});
  append(broken, zero_salt_frame);
  EXPECT_FALSE(with_tail(broken).zero_salts_follow);
}

TEST_F(WalScanTest, WithoutAValidHeaderNothingIsSaidAboutSalts) {
  EXPECT_FALSE(scan(Buffer(1000)).zero_salts_follow);
  EXPECT_FALSE(scan(Buffer(1000)).header);
  EXPECT_FALSE(scan({}).zero_salts_follow);
}

// ---- A prefix that only the wal-index vouches for.

TEST_F(WalScanTest, AVouchedPrefixMustEndInItsCommit) {
  const Buffer page(512, std::byte{1});
  WalBuilder wal(512, false, {7, 8});
  wal.add(1, 0, page);
  wal.add(2, 3, page);
  Buffer bytes = wal.bytes();
  std::fill_n(bytes.begin() + kWalHeader + 8, 16, std::byte{0});  // frame 1 lost its checksum
  const format::WalHeader header = *scan(bytes).header;
  ASSERT_EQ(scan(bytes).committed.frames, 0U);
  const auto vouch = [&](std::uint64_t frames, std::uint32_t size_pages) {
    const UniqueFd fd = wal_with(bytes);
    return prefix_vouched_by_index(fd.get(), wal_path(), header, frames, size_pages);
  };
  const WalPrefix good = vouch(2, 3);
  EXPECT_EQ(good.frames, 2U);
  EXPECT_EQ(good.size_pages, 3U);
  EXPECT_TRUE(good.vouched_by_index);
  EXPECT_EQ(good.header.salt, header.salt);

  EXPECT_EQ(code_of([&] { vouch(1, 3); }), Errc::frames_without_checksum) << "not a commit";
  EXPECT_EQ(code_of([&] { vouch(1, 0); }), Errc::frames_without_checksum) << "size 0 is none";
  EXPECT_EQ(code_of([&] { vouch(2, 4); }), Errc::frames_without_checksum) << "another size";
  EXPECT_EQ(code_of([&] { vouch(3, 3); }), Errc::frames_without_checksum) << "behind the end";
  bytes.pop_back();
  EXPECT_EQ(code_of([&] { vouch(2, 3); }), Errc::frames_without_checksum) << "page cut off";
}

}  // namespace
}  // namespace sqlbk
