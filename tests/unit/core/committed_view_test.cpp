// What a CommittedView shows is what SQLite shows of the same files. The other half of this oracle
// is in apply_test.cpp, where more than a thousand views are read before they are applied.
#include "sqlbk/core/committed_view.hpp"

#include <cstdint>
#include <fcntl.h>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "database.hpp"
#include "errors.hpp"
#include "sqlbk/core/host_thread.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "sqlbk/format/btree_page.hpp"
#include "wal_files.hpp"
#include "wal_oracle.hpp"
#include "wal_pair.hpp"

namespace sqlbk {
namespace {

using test::Buffer;
using test::checkpointed_by_sqlite;
using test::code_of;
using test::empty_schema_page;
using test::Files;
using test::put32;
using test::Random;
using test::set_header_size;
using test::WalBuilder;

class CommittedViewTest : public test::WalPairTest {
 protected:
  CommittedView view_of(const Files& files) {
    main_ = main_with(files.main);
    wal_ = wal_with(files.wal);
    return view_of(scan_wal(wal_.get(), wal_path(), context_.context).committed);
  }
  CommittedView view_of(const WalPrefix& prefix) {
    return CommittedView::of_wal({main_.get(), main_path()}, {wal_.get(), wal_path()}, prefix,
                                 context_.context);
  }
  CommittedView view_of_main(const Buffer& main) {
    main_ = main_with(main);
    return CommittedView::of_main({main_.get(), main_path()});
  }

  UniqueFd main_;
  UniqueFd wal_;
};

Buffer page_by_page(const CommittedView& view) {
  Buffer bytes;
  Buffer page(view.page_size_bytes());
  for (std::uint32_t i = 1; i <= view.size_pages(); ++i) {
    view.read(i, page);
    test::append(bytes, page);
  }
  return bytes;
}

Buffer at_once(const CommittedView& view) {
  Buffer bytes(static_cast<std::size_t>(view.size_bytes()));
  view.read_bytes(0, bytes);
  return bytes;
}

void expect_shows(const CommittedView& view, const Buffer& expected) {
  EXPECT_EQ(view.size_bytes(), expected.size());
  EXPECT_TRUE(page_by_page(view) == expected);
  EXPECT_TRUE(at_once(view) == expected);
}

Buffer filled(std::uint32_t page_size, unsigned value) {
  return Buffer(page_size, static_cast<std::byte>(value));
}

// ---- Main alone.

TEST_F(CommittedViewTest, MainAloneIsWhatItsHeaderStates) {
  Buffer main = empty_schema_page(directory_, 1024);
  main.resize(5 * 1024, std::byte{3});
  set_header_size(main, 3, true);
  expect_shows(view_of_main(main), Buffer(main.begin(), main.begin() + 3 * 1024));
  set_header_size(main, 3, false);
  main.resize(5 * 1024 + 100);
  expect_shows(view_of_main(main), Buffer(main.begin(), main.begin() + 5 * 1024));
  EXPECT_TRUE(view_of_main(main).newer().map.pages().empty());
  EXPECT_EQ(view_of_main(main).frame_of(1), 0U);
}

TEST_F(CommittedViewTest, AnEmptyMainHasNoPages) {
  const CommittedView view = view_of_main({});
  EXPECT_EQ(view.size_pages(), 0U);
  EXPECT_EQ(view.size_bytes(), 0U);
}

TEST_F(CommittedViewTest, MainThatIsNoDatabaseOrTooShortIsDamaged) {
  Buffer main = empty_schema_page(directory_, 1024);
  set_header_size(main, 2, true);
  EXPECT_EQ(code_of([&] { view_of_main(main); }), Errc::damaged);
  EXPECT_EQ(code_of([&] { view_of_main(Buffer(99, std::byte{1})); }), Errc::damaged);
  EXPECT_EQ(code_of([&] { view_of_main(Buffer(1024, std::byte{1})); }), Errc::damaged);
}

// ---- A WAL over main.

TEST_F(CommittedViewTest, TheLastFrameOfAPageCounts) {
  for (const std::uint32_t page_size : {512U, 65536U}) {
    Files files;
    files.main = empty_schema_page(directory_, page_size);
    files.main.resize(4 * std::size_t{page_size}, std::byte{1});
    WalBuilder wal(page_size, false, {1, 2});
    wal.add(3, 0, filled(page_size, 0x31));
    wal.add(2, 4, filled(page_size, 0x21));
    wal.add(3, 0, filled(page_size, 0x32));
    wal.add(3, 4, filled(page_size, 0x33));
    wal.add(4, 0, filled(page_size, 0x41));  // not committed
    files.wal = wal.bytes();
    const CommittedView view = view_of(files);
    expect_shows(view, checkpointed_by_sqlite(files, directory_).main);
    EXPECT_EQ(view.page_size_bytes(), page_size);
    EXPECT_EQ(view.frame_of(1), 0U);
    EXPECT_EQ(view.frame_of(2), 2U);
    EXPECT_EQ(view.frame_of(3), 4U);
    EXPECT_EQ(view.frame_of(4), 0U);
    // Up to an earlier commit: the frames behind it do not count.
    WalPrefix prefix = scan_wal(wal_.get(), wal_path(), context_.context).committed;
    prefix.frames = 2;
    const CommittedView earlier = view_of(prefix);
    EXPECT_EQ(earlier.frame_of(3), 1U);
    Buffer page(page_size);
    earlier.read(3, page);
    EXPECT_EQ(page, filled(page_size, 0x31));
  }
}

TEST_F(CommittedViewTest, AnyPieceIsThatPieceOfTheWhole) {
  Random random(5);
  Files files;
  files.main = empty_schema_page(directory_, 512);
  files.main.resize(40 * 512);
  random.fill(std::span(files.main).subspan(512));
  WalBuilder wal(512, true, {1, 2});
  Buffer page(512);
  for (int i = 0; i < 30; ++i) {
    random.fill(page);
    wal.add(random.between(2, 44), i == 29 ? 44 : 0, page);
  }
  files.wal = wal.bytes();
  const CommittedView view = view_of(files);
  const Buffer whole = checkpointed_by_sqlite(files, directory_).main;
  expect_shows(view, whole);
  for (int i = 0; i < 2000; ++i) {
    const std::uint32_t from = random.below(static_cast<std::uint32_t>(whole.size()));
    Buffer piece(random.below(static_cast<std::uint32_t>(whole.size() - from) + 1), std::byte{9});
    view.read_bytes(from, piece);
    ASSERT_TRUE(std::ranges::equal(piece, std::span(whole).subspan(from, piece.size())))
        << from << ", " << piece.size();
  }
}

TEST_F(CommittedViewTest, ACommitThatShrinksTheDatabase) {
  Files files;
  files.main = empty_schema_page(directory_, 1024);
  files.main.resize(6 * 1024, std::byte{1});
  WalBuilder wal(1024, false, {1, 2});
  wal.add(2, 0, filled(1024, 2));
  wal.add(6, 6, filled(1024, 6));
  wal.add(3, 3, filled(1024, 3));
  files.wal = wal.bytes();
  const CommittedView view = view_of(files);
  expect_shows(view, checkpointed_by_sqlite(files, directory_).main);
  EXPECT_EQ(view.size_pages(), 3U);
  EXPECT_EQ(view.newer().map.pages().size(), 2U) << "page 6 is behind the end";
}

TEST_F(CommittedViewTest, MainIsShorterThanTheCommit) {
  Files files;
  files.main = empty_schema_page(directory_, 1024);
  WalBuilder wal(1024, false, {1, 2});
  wal.add(5, 0, filled(1024, 5));
  wal.add(2, 6, filled(1024, 2));
  files.wal = wal.bytes();
  const CommittedView view = view_of(files);
  const Buffer expected = checkpointed_by_sqlite(files, directory_).main;
  expect_shows(view, expected);
  EXPECT_EQ(Buffer(expected.begin() + 2 * 1024, expected.begin() + 3 * 1024), filled(1024, 0));
}

// SQLite takes what main has for the start of a page, and all of it from the WAL.
TEST_F(CommittedViewTest, PageOneOnlyInTheWal) {
  Files files;
  const Buffer page_one = empty_schema_page(directory_, 1024);
  files.main = Buffer(1024);
  WalBuilder wal(1024, false, {1, 2});
  wal.add(1, 1, page_one);
  files.wal = wal.bytes();
  const test::Outcome theirs = checkpointed_by_sqlite(files, directory_);
  ASSERT_EQ(theirs.sqlite_code, SQLITE_OK);
  ASSERT_EQ(theirs.frames, 1U);
  expect_shows(view_of(files), theirs.main);
}

TEST_F(CommittedViewTest, AWalBesideAnEmptyMainDoesNotCount) {
  Files files;
  WalBuilder wal(1024, false, {1, 2});
  wal.add(1, 1, empty_schema_page(directory_, 1024));
  files.wal = wal.bytes();
  EXPECT_EQ(view_of(files).size_pages(), 0U);
  EXPECT_TRUE(view_of(files).newer().map.pages().empty());
}

TEST_F(CommittedViewTest, WithoutACommitMainAloneCounts) {
  Files files;
  files.main = empty_schema_page(directory_, 1024);
  files.main.resize(3 * 1024);
  set_header_size(files.main, 2, true);
  WalBuilder wal(1024, false, {1, 2});
  wal.add(2, 0, filled(1024, 7));
  files.wal = wal.bytes();
  const CommittedView view = view_of(files);
  EXPECT_EQ(view.size_pages(), 2U);
  EXPECT_EQ(view.frame_of(2), 0U);
}

// Frames whose page numbers nobody can have meant: what is kept grows with the frames.
TEST_F(CommittedViewTest, WildPageNumbers) {
  Files files;
  files.main = empty_schema_page(directory_, 512);
  WalBuilder wal(512, false, {1, 2});
  for (const std::uint32_t page : {0xffffffffU, 0x80000000U, 0xfffffffeU, 5U, 3U}) {
    wal.add(page, page == 3 ? 3 : 0, filled(512, page & 0xffU));
  }
  files.wal = wal.bytes();
  const CommittedView view = view_of(files);
  EXPECT_EQ(view.newer().map.pages().size(), 1U);
  expect_shows(view, checkpointed_by_sqlite(files, directory_).main);

  // The commit itself is as wild.
  WalBuilder wilder(512, false, {1, 2});
  wilder.add(0xfffffffd, 0, filled(512, 0xfd));
  wilder.add(3, 0xfffffffe, filled(512, 3));
  files.wal = wilder.bytes();
  const CommittedView larger = view_of(files);
  EXPECT_EQ(larger.newer().map.pages().size(), 2U);
  Buffer page(512);
  larger.read(0xfffffffd, page);
  EXPECT_EQ(page, filled(512, 0xfd));
  larger.read(0xfffffffc, page);
  EXPECT_EQ(page, filled(512, 0));
  EXPECT_EQ(code_of([&] { larger.require_possible_size(); }), Errc::damaged);
  EXPECT_EQ(checkpointed_by_sqlite(files, directory_).sqlite_code, SQLITE_CORRUPT);
}

// A frame without checksum may state page 0, which only the wal-index vouches for.
TEST_F(CommittedViewTest, PageZeroIsNoPage) {
  Files files;
  files.main = empty_schema_page(directory_, 512);
  WalBuilder wal(512, false, {1, 2});
  wal.add(1, 0, files.main);
  wal.add(2, 2, filled(512, 2));
  files.wal = wal.bytes();
  put32(files.wal, 32, 0);
  main_ = main_with(files.main);
  wal_ = wal_with(files.wal);
  const format::WalHeader header = *format::parse_wal_header(files.wal);
  const CommittedView view = view_of(prefix_vouched_by_index(wal_.get(), wal_path(), header, 2, 2));
  EXPECT_EQ(view.newer().map.pages().size(), 1U);
  EXPECT_EQ(view.frame_of(0), 0U);
}

TEST_F(CommittedViewTest, AWalThatIsShorterThanItsPrefix) {
  Files files;
  files.main = empty_schema_page(directory_, 512);
  WalBuilder wal(512, false, {1, 2});
  wal.add(2, 0, filled(512, 2));
  wal.add(3, 3, filled(512, 3));
  files.wal = wal.bytes();
  const CommittedView view = view_of(files);
  truncate_to(open_at(AT_FDCWD, wal_path(), O_WRONLY, 0, wal_path()).get(), files.wal.size() - 1,
              wal_path());
  Buffer page(512);
  view.read(2, page);
  EXPECT_EQ(code_of([&] { view.read(3, page); }), Errc::io_error);
  WalPrefix prefix = scan_wal(wal_.get(), wal_path(), context_.context).committed;
  prefix.frames = 3;
  prefix.size_pages = 3;
  EXPECT_EQ(code_of([&] { view_of(prefix); }), Errc::io_error);
}

TEST_F(CommittedViewTest, MoreFramesThanSQLiteCanNumber) {
  main_ = main_with(empty_schema_page(directory_, 512));
  wal_ = wal_with({});
  WalPrefix prefix;
  prefix.header.page_size_bytes = 512;
  prefix.frames = std::uint64_t{1} << 32U;
  prefix.size_pages = 1;
  EXPECT_EQ(code_of([&] { view_of(prefix); }), Errc::damaged);
}

TEST_F(CommittedViewTest, CanBeInterruptedWhileItIsMade) {
  Files files;
  files.main = empty_schema_page(directory_, 512);
  WalBuilder wal(512, false, {1, 2});
  for (int i = 0; i < 2000; ++i) wal.add(2, 2, filled(512, 2));
  files.wal = wal.bytes();
  main_ = main_with(files.main);
  wal_ = wal_with(files.wal);
  WalPrefix prefix = scan_wal(wal_.get(), wal_path(), context_.context).committed;
  prefix.last_frames = {};  // else there is nothing to do
  context_.cancel.request();
  EXPECT_EQ(code_of([&] { view_of(prefix); }), Errc::interrupted);
}

// ---- Sizes.

// SQLite never writes the page of the lock bytes, so a database may grow by that page and by one
// more with a single frame.
TEST_F(CommittedViewTest, TheLockBytePage) {
  constexpr std::uint32_t kPageSize = 65536;
  const std::uint32_t lock_page = format::lock_byte_page(kPageSize);
  for (const std::uint32_t pages : {lock_page + 1, lock_page + 2}) {
    Buffer page_one = empty_schema_page(directory_, kPageSize);
    set_header_size(page_one, 1, false);
    WalBuilder wal(kPageSize, false, {1, 2});
    wal.add(lock_page + 1, pages, filled(kPageSize, 8));
    const auto make_pair = [&](const std::string& path) {
      test::write_file(path, page_one);
      const UniqueFd fd = open_at(AT_FDCWD, path, O_WRONLY, 0, path);
      truncate_to(fd.get(), std::uint64_t{lock_page - 1} * kPageSize, path);
      test::write_file(path + "-wal", wal.bytes());
    };
    make_pair(main_path());
    main_ = open_at(AT_FDCWD, main_path(), O_RDWR, 0, main_path());
    wal_ = open_at(AT_FDCWD, wal_path(), O_RDONLY, 0, wal_path());
    const CommittedView view =
        view_of(scan_wal(wal_.get(), wal_path(), context_.context).committed);
    EXPECT_EQ(view.size_pages(), pages);
    Buffer page(kPageSize, std::byte{1});
    view.read(lock_page, page);
    EXPECT_EQ(page, filled(kPageSize, 0));
    view.read(lock_page + 1, page);
    EXPECT_EQ(page, filled(kPageSize, 8));

    const std::string theirs = directory_.file("theirs.db");
    make_pair(theirs);
    const int code = test::checkpoint_by_sqlite(theirs).sqlite_code;
    EXPECT_EQ(code, pages == lock_page + 1 ? SQLITE_OK : SQLITE_CORRUPT);
    EXPECT_EQ(code_of([&] { view.require_possible_size(); }),
              code == SQLITE_OK ? std::nullopt : std::optional(Errc::damaged));
    if (code != SQLITE_OK) continue;
    const UniqueFd fd = open_at(AT_FDCWD, theirs, O_RDONLY, 0, theirs);
    EXPECT_EQ(stat_of(fd.get(), theirs).size_bytes, view.size_bytes());
    for (std::uint32_t number = lock_page - 1; number <= pages; ++number) {
      Buffer wanted(kPageSize);
      ASSERT_EQ(read_up_to(fd.get(), wanted, std::uint64_t{number - 1} * kPageSize, theirs),
                kPageSize);
      view.read(number, page);
      EXPECT_TRUE(page == wanted) << number;
    }
  }
}

TEST_F(CommittedViewTest, AHeaderThatStatesMoreThanTheCommitIsDamaged) {
  for (const std::uint32_t pages : {2U, 3U}) {
    Files files;
    files.main = empty_schema_page(directory_, 512);
    files.main.resize(3 * 512);
    Buffer page_one = empty_schema_page(directory_, 512);
    set_header_size(page_one, pages, true);
    WalBuilder wal(512, false, {1, 2});
    wal.add(1, 2, page_one);
    files.wal = wal.bytes();
    const CommittedView view = view_of(files);
    EXPECT_EQ(code_of([&] { view.require_possible_size(); }),
              pages == 2 ? std::nullopt : std::optional(Errc::damaged));
  }
}

// ---- A live source under a lock.

TEST_F(CommittedViewTest, ALiveSourceIsWhatItsConnectionReads) {
  Random random(11);
  for (const std::uint32_t page_size : {512U, 4096U, 65536U}) {
    const std::string path = directory_.file("live" + std::to_string(page_size) + ".db");
    sqlite::Connection live(path, sqlite::OpenMode::create);
    live.execute("PRAGMA page_size=" + std::to_string(page_size) +
                 "; PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; "
                 "PRAGMA wal_autocheckpoint=0; CREATE TABLE a(id INTEGER PRIMARY KEY, data); "
                 "CREATE TABLE b(id INTEGER PRIMARY KEY, data)");
    for (int i = 0; i < 25; ++i) live.execute(test::random_statement(random));
    live.execute("BEGIN; SELECT count(*) FROM sqlite_schema");
    sqlite3_int64 size = 0;
    unsigned char* const bytes = sqlite3_serialize(live.handle(), "main", &size, 0);
    ASSERT_NE(bytes, nullptr);
    const std::span seen(reinterpret_cast<const std::byte*>(bytes), static_cast<std::size_t>(size));
    // Closing a raw descriptor here would drop the connection's locks: see host_thread.hpp.
    run_isolated([&](HostThread*) {
      const UniqueFd main = open_at(AT_FDCWD, path, O_RDONLY, 0, path);
      const std::string wal_path = path + "-wal";
      const UniqueFd wal = open_at(AT_FDCWD, wal_path, O_RDONLY, 0, wal_path);
      const WalScan scan = scan_wal(wal.get(), wal_path, context_.context);
      EXPECT_GT(scan.committed.frames, 0U);
      const CommittedView view = CommittedView::of_wal({main.get(), path}, {wal.get(), wal_path},
                                                       scan.committed, context_.context);
      expect_shows(view, Buffer(seen.begin(), seen.end()));
    });
    sqlite3_free(bytes);
  }
}

}  // namespace
}  // namespace sqlbk
