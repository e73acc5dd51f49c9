// What the pages of a b-tree refer to, compared with what SQLite's table dbstat says of them.
#include "sqlbk/format/btree_page.hpp"

#include <array>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "format_support.hpp"
#include "sqlbk/format/db_header.hpp"

namespace sqlbk::format {
namespace {

using format_test::Buffer;
using format_test::Db;
using format_test::TempDir;

// Page number to its kind, as dbstat calls it.
using Pages = std::map<std::uint32_t, std::string>;

struct Shape {
  std::uint32_t page_size;
  int reserved;
  bool auto_vacuum;
};

class File {
 public:
  File(const std::filesystem::path& path)
      : bytes_(format_test::read_file(path)), header_(*parse_db_header(bytes_)) {}

  PageLayout layout() const { return {header_.page_size_bytes, header_.reserved_bytes}; }
  std::uint32_t pages() const {
    return static_cast<std::uint32_t>(bytes_.size() / header_.page_size_bytes);
  }
  Bytes page(std::uint32_t number) const {
    return Bytes(bytes_).subspan(std::size_t{number - 1} * header_.page_size_bytes,
                                 header_.page_size_bytes);
  }

  // Every page of the tree, found by the reader alone.
  void collect(std::uint32_t number, Pages& found) const {
    const ParsedBtreePage parsed = parse_btree_page(page(number), layout(), number == 1);
    ASSERT_TRUE(parsed) << number << ' ' << to_string(parsed.issue);
    ASSERT_TRUE(found.emplace(number, parsed->is_leaf() ? "leaf" : "internal").second) << number;
    for (std::uint32_t i = 0; i < parsed->cells; ++i) {
      const ParsedBtreeCell cell = parse_btree_cell(page(number), layout(), *parsed, i);
      ASSERT_TRUE(cell) << number << " cell " << i;
      ASSERT_EQ(cell->left_child == 0, parsed->is_leaf());
      if (cell->left_child != 0) collect(cell->left_child, found);
      std::uint32_t overflow = cell->overflow_page;
      for (std::uint64_t n = 0; n < cell->overflow_pages; ++n) {
        ASSERT_TRUE(found.emplace(overflow, "overflow").second) << overflow;
        overflow = read_be32(page(overflow), 0);
      }
      ASSERT_EQ(overflow, 0U) << "the chain is longer than the cell says";
    }
    ASSERT_EQ(parsed->right_child == 0, parsed->is_leaf());
    if (parsed->right_child != 0) collect(parsed->right_child, found);
  }

 private:
  Buffer bytes_;
  DbHeader header_;
};

void reserve(Db& db, int bytes) {
  ASSERT_EQ(sqlite3_file_control(db.handle(), "main", SQLITE_FCNTL_RESERVE_BYTES, &bytes),
            SQLITE_OK);
}

// Tables and indexes of several levels, and payloads of every length around the limits.
void fill(Db& db, const Shape& shape) {
  reserve(db, shape.reserved);
  db.run("PRAGMA page_size=" + std::to_string(shape.page_size));
  db.run(shape.auto_vacuum ? "PRAGMA auto_vacuum=FULL" : "PRAGMA auto_vacuum=NONE");
  db.run(
      "PRAGMA synchronous=OFF; BEGIN; CREATE TABLE t(id INTEGER PRIMARY KEY, x, y);"
      "CREATE INDEX tx ON t(x); CREATE TABLE w(k PRIMARY KEY, v) WITHOUT ROWID;"
      "CREATE TABLE empty(x UNIQUE)");
  const std::string usable = std::to_string(static_cast<int>(shape.page_size) - shape.reserved);
  // Every length of small pages; of large ones fewer, which fill as many pages.
  const std::string step = shape.page_size < 4096 ? "1" : "6";
  const std::string numbers =
      "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+" + step + " FROM n WHERE i<120) ";
  // Around the most that stays on a leaf of a table, on a page of an index, and some pages more.
  for (const std::string& limit : {usable, "(" + usable + "-12)*64/255", usable + "*3"}) {
    db.run(numbers + "INSERT INTO t(x, y) SELECT randomblob(max(1, " + limit +
           "-80+i)), randomblob(i*20) FROM n");
    db.run(numbers + "INSERT INTO w SELECT randomblob(max(9, " + limit + "-80+i)), i FROM n");
  }
  db.run(numbers + "INSERT INTO t SELECT -i*i*i*1000000000-1, 'x', i FROM n");  // long rowids
  db.run("COMMIT");
}

class BtreePages : public ::testing::TestWithParam<Shape> {};

TEST_P(BtreePages, AreThoseOfDbstat) {
  const TempDir directory;
  Db db(directory / "a.db");
  fill(db, GetParam());
  if (db.try_run("SELECT count(*) FROM dbstat") != SQLITE_OK) GTEST_SKIP() << "without dbstat";
  const File file(directory / "a.db");
  ASSERT_EQ(file.layout().usable_bytes() + static_cast<std::uint32_t>(GetParam().reserved),
            GetParam().page_size);
  for (const std::string name : {"t", "tx", "w", "empty", "sqlite_schema"}) {
    const std::int64_t root =
        name == "sqlite_schema"
            ? 1
            : db.integer("SELECT rootpage FROM sqlite_schema WHERE name='" + name + "'");
    Pages found;
    file.collect(static_cast<std::uint32_t>(root), found);
    if (HasFatalFailure()) return;
    Pages wanted;
    sqlite3_stmt* rows = nullptr;
    ASSERT_EQ(
        sqlite3_prepare_v2(
            db.handle(), ("SELECT pageno, pagetype FROM dbstat WHERE name='" + name + "'").c_str(),
            -1, &rows, nullptr),
        SQLITE_OK);
    while (sqlite3_step(rows) == SQLITE_ROW) {
      wanted[static_cast<std::uint32_t>(sqlite3_column_int64(rows, 0))] =
          reinterpret_cast<const char*>(sqlite3_column_text(rows, 1));
    }
    sqlite3_finalize(rows);
    EXPECT_EQ(found, wanted) << name;
    EXPECT_GT(wanted.size(), name == "t" ? 10U : 0U);
  }
}

TEST_P(BtreePages, AreInThePointerMap) {
  if (!GetParam().auto_vacuum) GTEST_SKIP() << "there is none without auto_vacuum";
  const TempDir directory;
  Db db(directory / "a.db");
  fill(db, GetParam());
  const File file(directory / "a.db");
  const auto root =
      static_cast<std::uint32_t>(db.integer("SELECT rootpage FROM sqlite_schema WHERE name='t'"));
  Pages found;
  file.collect(root, found);
  for (const auto& [number, kind] : found) {
    const std::uint32_t map = pointer_map_page_of(number, file.layout());
    ASSERT_LT(map, number);
    ASSERT_FALSE(found.contains(map));
    const Bytes entry =
        file.page(map).subspan(pointer_map_offset_of(number, file.layout()), kPointerMapEntryBytes);
    const auto type = static_cast<PointerKind>(read_u8(entry, 0));
    const std::uint32_t parent = read_be32(entry, 1);
    if (number == root) {
      EXPECT_EQ(type, PointerKind::root);
      EXPECT_EQ(parent, 0U);
      continue;
    }
    EXPECT_TRUE(found.contains(parent)) << number;
    if (kind != "overflow") {
      EXPECT_EQ(type, PointerKind::btree) << number;
    } else {
      EXPECT_EQ(type,
                found[parent] == "overflow" ? PointerKind::overflow2 : PointerKind::overflow1);
    }
  }
}

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (const std::uint32_t page_size : format_test::kPageSizes) {
    for (const int reserved : {0, 32}) {
      for (const bool auto_vacuum : {false, true})
        all.push_back({page_size, reserved, auto_vacuum});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Shapes, BtreePages, ::testing::ValuesIn(shapes()), [](const auto& test) {
  return std::to_string(test.param.page_size) + "_" + std::to_string(test.param.reserved) +
         (test.param.auto_vacuum ? "_vacuum" : "");
});

constexpr PageLayout kSmall{512, 0};

Buffer page_with(std::initializer_list<int> cell, std::size_t at, std::uint8_t kind = 13) {
  Buffer page(512);
  page[0] = static_cast<std::byte>(kind);
  page[4] = std::byte{1};
  const std::size_t pointer = kind < 8 ? 12 : 8;
  page[pointer] = static_cast<std::byte>(at >> 8U);
  page[pointer + 1] = static_cast<std::byte>(at & 0xffU);
  for (const int byte : cell) {
    if (at < page.size()) page[at++] = static_cast<std::byte>(byte);
  }
  return page;
}

BtreePageIssue issue_of_cell(const Buffer& page) {
  const ParsedBtreePage parsed = parse_btree_page(page, kSmall, false);
  return parsed ? parse_btree_cell(page, kSmall, *parsed, 0).issue : parsed.issue;
}

TEST(BtreePage, RefusesWhatIsNone) {
  const auto issue = [](const Buffer& page) { return parse_btree_page(page, kSmall, false).issue; };
  EXPECT_EQ(issue(Buffer(511)), BtreePageIssue::too_short);
  EXPECT_EQ(issue({}), BtreePageIssue::too_short);
  const std::set<int> kinds{2, 5, 10, 13};
  for (int kind = 0; kind < 256; ++kind) {
    Buffer page(512);
    page[0] = static_cast<std::byte>(kind);
    EXPECT_EQ(issue(page), kinds.contains(kind) ? BtreePageIssue::none : BtreePageIssue::bad_kind);
  }
  Buffer page = page_with({}, 500);
  page[3] = std::byte{0};
  page[4] = std::byte{252};
  EXPECT_EQ(issue(page), BtreePageIssue::none) << "8 + 252 * 2 = 512";
  page[4] = std::byte{253};
  EXPECT_EQ(issue(page), BtreePageIssue::bad_count);
}

TEST(BtreePage, ACellLiesOnItsPage) {
  EXPECT_EQ(issue_of_cell(page_with({2, 1, 1, 8}, 508)), BtreePageIssue::none);
  EXPECT_EQ(issue_of_cell(page_with({3, 1, 1, 8}, 508)), BtreePageIssue::bad_cell);
  EXPECT_EQ(issue_of_cell(page_with({0x81}, 511)), BtreePageIssue::bad_cell);
  EXPECT_EQ(issue_of_cell(page_with({}, 512)), BtreePageIssue::bad_cell);
  EXPECT_EQ(issue_of_cell(page_with({}, 65535)), BtreePageIssue::bad_cell);
  EXPECT_EQ(issue_of_cell(page_with({0, 0}, 510, 2)), BtreePageIssue::bad_cell) << "left child";
  // 500 bytes of payload: 39 of them on the page, then a page number.
  EXPECT_EQ(issue_of_cell(page_with({0x83, 0x74, 1}, 512 - 3 - 39 - 4)), BtreePageIssue::none);
  EXPECT_EQ(issue_of_cell(page_with({0x83, 0x74, 1}, 512 - 3 - 39 - 3)), BtreePageIssue::bad_cell);
}

TEST(BtreePage, EveryIssueHasATextOfItsOwn) {
  std::set<std::string_view> texts;
  for (const auto issue :
       {BtreePageIssue::none, BtreePageIssue::too_short, BtreePageIssue::bad_kind,
        BtreePageIssue::bad_count, BtreePageIssue::bad_cell}) {
    EXPECT_TRUE(texts.insert(to_string(issue)).second);
    EXPECT_NE(to_string(issue), "unknown");
  }
}

// Whatever stands there: nothing outside of the page is read (AddressSanitizer looks).
TEST(BtreePage, TakesAnyBytes) {
  for (std::uint32_t seed = 0; seed < 3000; ++seed) {
    Buffer page = format_test::random_bytes(512, seed);
    page[0] = std::byte{static_cast<std::uint8_t>(std::array{2, 5, 10, 13}[seed % 4])};
    page[3] = std::byte{0};
    const ParsedBtreePage parsed = parse_btree_page(page, kSmall, false);
    if (!parsed) continue;
    for (std::uint32_t i = 0; i < parsed->cells; ++i) {
      const ParsedBtreeCell cell = parse_btree_cell(page, kSmall, *parsed, i);
      EXPECT_TRUE(!cell || parsed->is_leaf() == (cell->left_child == 0) || cell->left_child == 0);
    }
  }
}

TEST(PointerMap, SkipsThePageOfTheLockBytes) {
  for (const std::uint32_t page_size : format_test::kPageSizes) {
    const PageLayout layout{page_size, 0};
    const std::uint32_t lock_page = lock_byte_page(page_size);
    EXPECT_EQ(std::uint64_t{lock_page - 1} * page_size, kLockByteOffset);
    EXPECT_EQ(pointer_map_page_of(1, layout), 0U);
    EXPECT_EQ(pointer_map_page_of(2, layout), 2U);
    EXPECT_EQ(pointer_map_page_of(3, layout), 2U);
    EXPECT_EQ(pointer_map_offset_of(3, layout), 0U);
    const std::uint32_t step = page_size / 5 + 1;
    EXPECT_EQ(pointer_map_page_of(1 + step, layout), 2U);
    EXPECT_EQ(pointer_map_page_of(2 + step, layout), 2 + step);
    for (std::uint32_t page = lock_page - 3; page < lock_page + 3; ++page) {
      EXPECT_NE(pointer_map_page_of(page, layout), lock_page);
    }
  }
  // A layout with which the lock page would be a map page.
  const PageLayout layout{1024, 0};
  const std::uint32_t lock_page = lock_byte_page(1024);
  ASSERT_EQ((lock_page - 2) % (1024 / 5 + 1), 0U);
  EXPECT_EQ(pointer_map_page_of(lock_page + 1, layout), lock_page + 1);
  EXPECT_EQ(pointer_map_page_of(lock_page + 2, layout), lock_page + 1);
  EXPECT_EQ(pointer_map_offset_of(lock_page + 2, layout), 0U);
}

}  // namespace
}  // namespace sqlbk::format
