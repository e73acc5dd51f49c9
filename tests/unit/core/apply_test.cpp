// The oracle: what scan_wal() and apply_to_main() make of a WAL, however it was torn, is byte for
// byte what SQLite's own recovery and checkpoint make of the same files.
#include "sqlbk/core/apply.hpp"

#include <algorithm>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "database.hpp"
#include "errors.hpp"
#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/zero_salt.hpp"
#include "sqlbk/core/host_thread.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "sqlbk/core/wal_scan.hpp"
#include "sqlbk/format/wal_index.hpp"
#include "test_context.hpp"
#include "wal_files.hpp"
#include "wal_oracle.hpp"
#include "wal_pair.hpp"

namespace sqlbk {
namespace {

using test::Buffer;
using test::checkpointed_by_sqlite;
using test::code_of;
using test::Database;
using test::empty_schema_page;
using test::Files;
using test::get32;
using test::in_other_byte_order;
using test::kFrameHeader;
using test::kPageSizes;
using test::kWalHeader;
using test::mutations;
using test::NamedMutation;
using test::Outcome;
using test::page_size_in;
using test::put32;
using test::Random;
using test::read_file;
using test::real_files;
using test::set_header_size;
using test::synthetic_files;
using test::TestContext;
using test::WalBuilder;
using test::WalPairTest;
using test::write_file;

class Oracle {
 public:
  Outcome by_sqlite(const Files& files) { return checkpointed_by_sqlite(files, directory_); }

  struct Ours {
    WalScan scan;
    std::optional<Errc> error;
    Buffer shown;  // by the view, before it is applied
    Buffer main;
  };
  Ours by_sqlbk(const Files& files) {
    const std::string path = directory_.file("ours.db");
    const std::string wal_path = directory_.file("ours.wal");
    write_file(path, files.main);
    write_file(wal_path, files.wal);
    Ours ours;
    {
      const UniqueFd main = open_at(AT_FDCWD, path, O_RDWR, 0, path);
      const UniqueFd wal = open_at(AT_FDCWD, wal_path, O_RDONLY, 0, wal_path);
      ours.scan = scan_wal(wal.get(), wal_path, context_.context);
      ours.error = code_of([&] {
        const CommittedView view = CommittedView::of_wal({main.get(), path}, {wal.get(), wal_path},
                                                         ours.scan.committed, context_.context);
        view.require_possible_size();
        ours.shown.resize(static_cast<std::size_t>(view.size_bytes()));
        view.read_bytes(0, ours.shown);
        apply_to_main(view, main.get(), path, context_.context);
      });
    }
    ours.main = read_file(path);
    return ours;
  }

  // What the cases so far have had in them, so that a test can say that none was missing.
  struct Seen {
    int cases = 0;
    int applied = 0;
    int nothing_committed = 0;
    int grown = 0;
    int shrunk = 0;
    int skipped_frames = 0;
    int repeated_pages = 0;
    int frames_behind_commit = 0;
    int slots_behind_valid = 0;
    int big_endian = 0;
    int little_endian = 0;
    int refused = 0;
  };
  const Seen& seen() const { return seen_; }

  void compare(const Files& files) {
    SCOPED_TRACE(files.label);
    const Outcome theirs = by_sqlite(files);
    const Ours ours = by_sqlbk(files);
    ++seen_.cases;
    if (ours.scan.header.issue == format::WalHeaderIssue::bad_version) {
      ++seen_.refused;
      EXPECT_EQ(theirs.sqlite_code, SQLITE_CANTOPEN);
      return;
    }
    if (theirs.sqlite_code != SQLITE_OK) {
      ++seen_.refused;
      EXPECT_EQ(theirs.sqlite_code, SQLITE_CORRUPT);
      EXPECT_EQ(ours.error, Errc::damaged);
      return;
    }
    EXPECT_EQ(ours.error, std::nullopt);
    EXPECT_EQ(ours.scan.committed.frames, theirs.frames);
    const Buffer expected = theirs.frames == 0 ? cut_by_hand(theirs.main) : theirs.main;
    EXPECT_TRUE(ours.shown == expected);
    EXPECT_EQ(ours.main.size(), expected.size());
    EXPECT_TRUE(ours.main == expected)
        << "first difference at byte " << difference(ours.main, expected);
    count(files, ours.scan);
  }

 private:
  // Nothing committed: SQLite leaves main as it is and ignores what lies behind its end.
  static Buffer cut_by_hand(Buffer main) {
    if (main.empty()) return main;
    const std::size_t page_size = page_size_in(main);
    const bool valid = get32(main, 28) != 0 && get32(main, 24) == get32(main, 92);
    main.resize(valid ? get32(main, 28) * page_size : main.size() / page_size * page_size);
    return main;
  }

  static std::size_t difference(const Buffer& a, const Buffer& b) {
    return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
  }

  void count(const Files& files, const WalScan& scan) {
    if (!scan.header || scan.committed.frames == 0) {
      ++seen_.nothing_committed;
      return;
    }
    ++seen_.applied;
    const std::size_t page_size = scan.header->page_size_bytes;
    const std::uint64_t size = std::uint64_t{scan.committed.size_pages} * page_size;
    if (size > files.main.size()) ++seen_.grown;
    if (size < files.main.size()) ++seen_.shrunk;
    std::vector<std::uint32_t> pages;
    for (std::uint64_t i = 0; i < scan.committed.frames; ++i) {
      pages.push_back(get32(files.wal, kWalHeader + i * (kFrameHeader + page_size)));
    }
    std::ranges::sort(pages);
    if (std::ranges::adjacent_find(pages) != pages.end()) ++seen_.repeated_pages;
    if (pages.back() > scan.committed.size_pages) ++seen_.skipped_frames;
    if (scan.valid_frames > scan.committed.frames) ++seen_.frames_behind_commit;
    const std::uint64_t slots = (files.wal.size() - kWalHeader) / (kFrameHeader + page_size);
    if (slots > scan.valid_frames) ++seen_.slots_behind_valid;
    ++(scan.header->big_endian_checksum ? seen_.big_endian : seen_.little_endian);
  }

  kit::TemporaryDirectory directory_{test::memory_directory()};
  TestContext context_;
  Seen seen_;
};
void expect_nothing_was_missing(const Oracle::Seen& seen) {
  EXPECT_GE(seen.applied, 100);
  EXPECT_GE(seen.nothing_committed, 30);
  EXPECT_GE(seen.grown, 20);
  EXPECT_GE(seen.shrunk, 20);
  EXPECT_GE(seen.repeated_pages, 50);
  EXPECT_GE(seen.frames_behind_commit, 20);
  EXPECT_GE(seen.slots_behind_valid, 20);
  EXPECT_GE(seen.big_endian, 40);
  EXPECT_GE(seen.little_endian, 40);
}

TEST(ApplyOracle, SyntheticWalsComeOutAsBySqlite) {
  Random random(20240501);
  Oracle oracle;
  const kit::TemporaryDirectory directory;
  std::vector<Buffer> first_pages;
  for (const std::uint32_t page_size : kPageSizes) {
    first_pages.push_back(empty_schema_page(directory, page_size));
  }
  constexpr std::uint32_t kCases = 800;
  for (std::uint32_t i = 0; i < kCases && !testing::Test::HasFailure(); ++i) {
    Files files = synthetic_files(random, first_pages[i % first_pages.size()], i);
    // Half of them whole: a mutation more often than not takes away what is of interest.
    const NamedMutation& mutation =
        mutations()[random.chance(50)
                        ? 0
                        : random.below(static_cast<std::uint32_t>(mutations().size()))];
    files.label += std::string(", ") + mutation.name;
    mutation.apply(random, files.wal);
    oracle.compare(files);
  }
  EXPECT_EQ(oracle.seen().cases, kCases);
  EXPECT_GE(oracle.seen().skipped_frames, 50);
  EXPECT_GE(oracle.seen().refused, 10);
  expect_nothing_was_missing(oracle.seen());
}

TEST(ApplyOracle, RealWalsComeOutAsBySqlite) {
  Random random(19700101);
  Oracle oracle;
  const kit::TemporaryDirectory directory(test::memory_directory());
  constexpr std::uint32_t kDatabases = 40;
  for (std::uint32_t i = 0; i < kDatabases; ++i) {
    const Files made = real_files(random, directory, kPageSizes[i % kPageSizes.size()], i);
    for (std::size_t m = 0; m < mutations().size() && !testing::Test::HasFailure(); ++m) {
      Files files = made;
      // SQLite writes sums in the machine's own byte order only, and reads both.
      if (random.chance(50)) files.wal = in_other_byte_order(files.wal);
      files.label += std::string(", ") + mutations()[m].name;
      mutations()[m].apply(random, files.wal);
      oracle.compare(files);
    }
  }
  EXPECT_EQ(oracle.seen().cases, kDatabases * mutations().size());
  expect_nothing_was_missing(oracle.seen());
}

TEST(ApplyOracle, AnEmptyMainHasNoWal) {
  Random random(3);
  Oracle oracle;
  const kit::TemporaryDirectory directory;
  Files files = synthetic_files(random, empty_schema_page(directory, 1024), 0);
  while (oracle.by_sqlite(files).frames == 0) {
    files = synthetic_files(random, empty_schema_page(directory, 1024), 0);
  }
  files.main.clear();
  files.label = "empty main";
  EXPECT_EQ(oracle.by_sqlite(files).frames, 0U);
  EXPECT_GT(oracle.by_sqlbk(files).scan.committed.frames, 0U);
  EXPECT_TRUE(oracle.by_sqlbk(files).main.empty());
}

// The largest database that SQLite believes one frame to make of one page, and one page more.
TEST(ApplyOracle, ACommitMayOnlyGrowTheFileAsFarAsItsFramesGo) {
  Oracle oracle;
  const kit::TemporaryDirectory directory;
  for (const std::uint32_t page_size : kPageSizes) {
    const std::uint32_t most = 2 + 65536 / page_size;
    for (const std::uint32_t pages : {most, most + 1, 0xfffffffeU}) {
      Files files;
      files.label = std::to_string(pages) + " pages of " + std::to_string(page_size);
      files.main = empty_schema_page(directory, page_size);
      WalBuilder wal(page_size, false, {1, 2});
      wal.add(2, pages, Buffer(page_size, std::byte{7}));
      files.wal = wal.bytes();
      oracle.compare(files);
    }
  }
  EXPECT_EQ(oracle.seen().applied, 8);
  EXPECT_EQ(oracle.seen().refused, 16);
}

TEST(ApplyOracle, AHeaderThatSaysMoreThanTheCommitIsRefused) {
  Oracle oracle;
  const kit::TemporaryDirectory directory;
  for (const std::uint32_t pages : {4U, 5U, 6U}) {
    Files files;
    files.label = std::to_string(pages) + " pages in the header";
    files.main = empty_schema_page(directory, 512);
    set_header_size(files.main, pages, true);
    files.main.resize(6 * 512);
    WalBuilder wal(512, false, {1, 2});
    wal.add(2, 5, Buffer(512, std::byte{7}));
    files.wal = wal.bytes();
    oracle.compare(files);
  }
  EXPECT_EQ(oracle.seen().applied, 2);
  EXPECT_EQ(oracle.seen().refused, 1);
}

TEST(ApplyOracle, AnotherFormatVersionIsRefused) {
  Oracle oracle;
  const kit::TemporaryDirectory directory;
  Files files;
  files.label = "version";
  files.main = empty_schema_page(directory, 512);
  WalBuilder wal(512, true, {1, 2});
  wal.add(1, 1, files.main);
  files.wal = wal.bytes();
  put32(files.wal, 4, 3007001);
  const format::WalChecksum sum =
      format::wal_checksum({}, format::Bytes(files.wal).first(24), true);
  put32(files.wal, 24, sum.s0);
  put32(files.wal, 28, sum.s1);
  oracle.compare(files);
  EXPECT_EQ(oracle.seen().refused, 1);
  EXPECT_EQ(oracle.by_sqlbk(files).scan.committed.frames, 0U);
}

using ApplyTest = test::WalPairTest;

TEST_F(ApplyTest, CountsWhatItHasDoneAndCanBeInterrupted) {
  constexpr std::uint32_t kFrames = 70;
  const Buffer page_one = empty_schema_page(directory_, 65536);
  WalBuilder wal(65536, false, {7, 8});
  for (std::uint32_t i = 1; i <= kFrames; ++i) wal.add(1 + i, 1 + i, page_one);
  const UniqueFd main = main_with(page_one);
  const UniqueFd fd = wal_with(wal.bytes());
  const WalScan found = scan_wal(fd.get(), wal_path(), context_.context);
  apply(found.committed, fd, main);
  EXPECT_EQ(context_.progress.done_bytes.load(), kFrames * 65536U);
  context_.cancel.request();
  EXPECT_EQ(code_of([&] { apply(found.committed, fd, main); }), Errc::interrupted);
}

TEST_F(ApplyTest, AWalThatEndsBeforeItsPrefixIsAnError) {
  const Buffer page_one = empty_schema_page(directory_, 512);
  WalBuilder wal(512, false, {7, 8});
  wal.add(1, 0, page_one);
  wal.add(1, 1, page_one);
  const WalScan found = scan(wal.bytes());
  Buffer shorter = wal.bytes();
  shorter.pop_back();
  const UniqueFd main = main_with(page_one);
  const UniqueFd fd = wal_with(shorter);
  EXPECT_EQ(code_of([&] { apply(found.committed, fd, main); }), Errc::io_error);
}

// SQLite itself, with its wal-index, is the oracle: what it checkpoints from frames without
// checksums must come out of the vouched prefix.
TEST_F(ApplyTest, FramesWithoutChecksumsComeOutAsTheLiveConnectionCheckpointsThem) {
  if (!kit::sqlite_writes_zero_salts()) GTEST_SKIP() << "this SQLite does not have the bug";
  for (const kit::ZeroSaltVariant variant :
       {kit::ZeroSaltVariant::plain, kit::ZeroSaltVariant::spilled_before_savepoint,
        kit::ZeroSaltVariant::first_of_generation, kit::ZeroSaltVariant::failed_statement}) {
    SCOPED_TRACE(kit::to_string(variant));
    const std::string path = directory_.file(std::string(kit::to_string(variant)) + ".db");
    sqlite::Connection live(path, sqlite::OpenMode::create);
    kit::run_zero_salt_recipe(live, variant);
    Files before;
    Buffer index;
    Buffer after;
    // Closing a raw descriptor here would drop the connection's locks: see host_thread.hpp.
    run_isolated([&](HostThread* host) {
      ASSERT_NE(host, nullptr);
      before = {read_file(path), read_file(path + "-wal"), ""};
      index = read_file(path + "-shm");
      host->call([&] { live.execute("PRAGMA wal_checkpoint(TRUNCATE)"); });
      after = read_file(path);
    });
    const auto index_header = format::parse_wal_index_header(index);
    ASSERT_TRUE(index_header);
    const UniqueFd main = main_with(before.main);
    const UniqueFd wal = wal_with(before.wal);
    const WalScan found = scan_wal(wal.get(), wal_path(), context_.context);
    ASSERT_LT(found.committed.frames, index_header->mx_frame);
    EXPECT_TRUE(found.zero_salts_follow);
    const WalPrefix prefix = prefix_vouched_by_index(
        wal.get(), wal_path(), *found.header, index_header->mx_frame, index_header->size_pages);
    apply(prefix, wal, main);
    EXPECT_TRUE(read_file(main_path()) == after);
    std::filesystem::remove(wal_path());  // by its checksums it would lose these frames again
    Database applied(main_path());
    EXPECT_EQ(applied.integer("SELECT sum(v) FROM a"), kit::zero_salt_live_sum(variant));
  }
}

// ---- The size of main.

class SizeTest : public WalPairTest {
 protected:
  static constexpr std::uint32_t kPageSize = 1024;

  // A main file of `bytes` whose header says `pages`.
  Buffer main_of(std::size_t bytes, std::uint32_t pages, bool valid) const {
    Buffer main = empty_schema_page(directory_, kPageSize);
    set_header_size(main, pages, valid);
    main.resize(bytes);
    return main;
  }
  void cut(const UniqueFd& main) {
    apply_to_main(CommittedView::of_main({main.get(), main_path()}), main.get(), main_path(),
                  context_.context);
  }
  std::size_t size_after_cut(const Buffer& before) {
    const UniqueFd main = main_with(before);
    cut(main);
    const Buffer after = read_file(main_path());
    EXPECT_TRUE(std::equal(after.begin(), after.end(), before.begin()));
    return after.size();
  }
};

TEST_F(SizeTest, CutsToAValidHeaderSize) {
  EXPECT_EQ(size_after_cut(main_of(5 * kPageSize, 3, true)), 3 * kPageSize);
  EXPECT_EQ(size_after_cut(main_of(3 * kPageSize, 3, true)), 3 * kPageSize);
  EXPECT_EQ(size_after_cut(main_of(3 * kPageSize + 1, 3, true)), 3 * kPageSize);
}

TEST_F(SizeTest, CutsToWholePagesWhereTheHeaderSizeDoesNotCount) {
  EXPECT_EQ(size_after_cut(main_of(5 * kPageSize, 3, false)), 5 * kPageSize);
  EXPECT_EQ(size_after_cut(main_of(5 * kPageSize + 1, 3, false)), 5 * kPageSize);
  EXPECT_EQ(size_after_cut(main_of(2 * kPageSize, 3, false)), 2 * kPageSize);
  EXPECT_EQ(size_after_cut(main_of(5 * kPageSize, 0, true)), 5 * kPageSize) << "0 pages is no size";
}

TEST_F(SizeTest, AnEmptyFileStaysEmpty) {
  EXPECT_EQ(size_after_cut({}), 0U);
}

TEST_F(SizeTest, ATruncatedMainIsDamaged) {
  for (const std::size_t size : {2 * kPageSize, 3 * kPageSize - 1}) {
    const UniqueFd main = main_with(main_of(size, 3, true));
    EXPECT_EQ(code_of([&] { cut(main); }), Errc::damaged);
    EXPECT_EQ(read_file(main_path()).size(), size) << "and it is left as it is";
  }
}

TEST_F(SizeTest, WhatIsNoDatabaseIsDamaged) {
  Buffer wrong = main_of(kPageSize, 1, true);
  wrong[0] = std::byte{'s'};
  const UniqueFd main = main_with(wrong);
  EXPECT_EQ(code_of([&] { cut(main); }), Errc::damaged);
  const UniqueFd short_main = main_with(Buffer(99, std::byte{'S'}));
  EXPECT_EQ(code_of([&] { cut(short_main); }), Errc::damaged);
}

}  // namespace
}  // namespace sqlbk
