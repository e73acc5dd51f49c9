// Who uses which page: what integrity_check finds of the whole file is found, and nothing is found
// in a sound one. PRAGMA integrity_check is the oracle.
#include "verify/page_owners.hpp"

#include <fcntl.h>
#include <functional>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "kit/temporary_directory.hpp"
#include "sqlbk/checkpoint/verify.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "support/errors.hpp"
#include "support/files.hpp"
#include "support/test_context.hpp"

namespace sqlbk::checkpoint {
namespace {

using test::Buffer;

constexpr std::size_t kSizeOffset = 28;
constexpr std::size_t kFirstFreeOffset = 32;
constexpr std::size_t kFreeCountOffset = 36;
constexpr std::size_t kLargestRootOffset = 52;
constexpr std::size_t kIncrementalOffset = 64;

std::vector<std::string> findings_in(const std::string& path, RunContext& context) {
  const UniqueFd fd = open_at(AT_FDCWD, path, O_RDONLY, 0, path);
  const CheckedState state(BorrowedFile{fd.get(), path});
  Buffer start(format::kDbHeaderSizeBytes);
  static_cast<void>(state.read(start, 0));
  std::vector<std::uint32_t> roots{1};
  {
    sqlite::Connection connection(path, sqlite::OpenMode::immutable);
    sqlite::Statement rows(connection, "SELECT rootpage FROM sqlite_schema WHERE rootpage>0");
    while (rows.step()) roots.push_back(static_cast<std::uint32_t>(rows.integer(0)));
  }
  PageOwners owners(state, *format::parse_db_header(start), context);
  owners.walk_freelist();
  for (const std::uint32_t root : roots) owners.walk(root);
  owners.finish(roots);
  return owners.findings();
}

bool sqlite_finds_damage(const std::string& path) {
  sqlite::Connection connection(path, sqlite::OpenMode::immutable);
  try {
    return connection.text("PRAGMA integrity_check") != "ok";
  } catch (const Error& error) {
    return error.code() == Errc::damaged;
  }
}

struct Shape {
  int page_size;
  int reserved;
  const char* auto_vacuum;
};

void create(const std::string& path, const Shape& shape) {
  sqlite::Connection connection(path, sqlite::OpenMode::create);
  int reserved = shape.reserved;
  sqlite::check(
      sqlite3_file_control(connection.handle(), "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved),
      connection.handle(), path, "reserve bytes of");
  connection.execute("PRAGMA page_size=" + std::to_string(shape.page_size) +
                     "; PRAGMA synchronous=OFF; PRAGMA auto_vacuum=" + shape.auto_vacuum);
  const std::string rows =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<300) ";
  connection.execute(
      "BEGIN; CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, x, y UNIQUE);"
      "CREATE INDEX tx ON t(x); CREATE TABLE w(k PRIMARY KEY, v) WITHOUT ROWID;"
      "CREATE TABLE empty(a, b UNIQUE); CREATE TABLE gone(b); CREATE TABLE dropped(b);");
  connection.execute(rows + "INSERT INTO t(x, y) SELECT randomblob(i*9), i FROM n");
  connection.execute(rows + "INSERT INTO w SELECT randomblob(i*5+8), i FROM n");
  connection.execute(rows + "INSERT INTO gone SELECT randomblob(4000) FROM n");
  connection.execute(rows + "INSERT INTO dropped SELECT randomblob(4000) FROM n");
  // Whole pages become free, more than one trunk of them where pages are small.
  connection.execute("ANALYZE; DELETE FROM gone; DROP TABLE dropped; COMMIT");
}

class SoundFiles : public ::testing::TestWithParam<Shape> {};

TEST_P(SoundFiles, HaveNoFindings) {
  const kit::TemporaryDirectory directory;
  test::TestContext context;
  const std::string path = directory.file("app.db");
  create(path, GetParam());
  ASSERT_FALSE(sqlite_finds_damage(path));
  ASSERT_EQ(std::to_integer<int>(test::read_file(path)[20]), GetParam().reserved);
  EXPECT_EQ(findings_in(path, context.context), std::vector<std::string>());
}

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (const int page_size : {512, 1024, 2048, 4096, 8192, 16384, 32768, 65536}) {
    for (const int reserved : {0, 8, 32}) {
      for (const char* auto_vacuum : {"NONE", "FULL", "INCREMENTAL"}) {
        all.push_back({page_size, reserved, auto_vacuum});
      }
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Shapes, SoundFiles, ::testing::ValuesIn(shapes()), [](const auto& test) {
  return std::to_string(test.param.page_size) + "_" + std::to_string(test.param.reserved) + "_" +
         test.param.auto_vacuum;
});

class PageOwnersTest : public ::testing::Test {
 protected:
  void make(const char* auto_vacuum) { create(path_, {1024, 0, auto_vacuum}); }

  // Changes the bytes of the file, which must then be damaged for both.
  void expect_damage(const std::string& finding, const std::function<void(Buffer&)>& change) {
    const Buffer sound = test::read_file(path_);
    Buffer bytes = sound;
    change(bytes);
    test::write_file(path_, bytes);
    EXPECT_TRUE(sqlite_finds_damage(path_)) << finding;
    std::string all;
    for (const std::string& found : findings_in(path_, context_.context)) all += found + '\n';
    EXPECT_NE(all.find(finding), std::string::npos) << "not found: " << finding << "\n" << all;
    // So does the whole of it, in one thread and in several.
    for (const unsigned jobs : {1U, 3U}) EXPECT_EQ(verify(jobs), StepVerdict::damaged) << finding;
    test::write_file(path_, sound);
  }

  StepVerdict verify(unsigned jobs) {
    VerifyOptions options;
    options.jobs = jobs;
    options.checks = {"structure"};
    return verify_database(path_, options, {}, context_.context).verdict;
  }

  static std::uint32_t get(const Buffer& bytes, std::size_t offset) {
    return format::read_be32(bytes, offset);
  }
  static void put(Buffer& bytes, std::size_t offset, std::uint32_t value) {
    format::write_be32(bytes, offset, value);
  }
  static std::size_t start_of(std::uint32_t page) { return std::size_t{page - 1} * 1024; }

  const kit::TemporaryDirectory directory_;
  const std::string path_ = directory_.file("app.db");
  test::TestContext context_;
};

TEST_F(PageOwnersTest, FindsPagesThatNobodyUses) {
  for (const char* auto_vacuum : {"NONE", "FULL"}) {
    make(auto_vacuum);
    expect_damage("is never used", [](Buffer& bytes) {
      bytes.resize(bytes.size() + 1024);
      put(bytes, kSizeOffset, get(bytes, kSizeOffset) + 1);
    });
    std::remove(path_.c_str());
  }
}

TEST_F(PageOwnersTest, FindsPagesThatAreUsedTwice) {
  make("NONE");
  const auto trunk = [](const Buffer& bytes) { return start_of(get(bytes, kFirstFreeOffset)); };
  expect_damage("is used already", [&](Buffer& bytes) {
    put(bytes, trunk(bytes) + 8, get(bytes, trunk(bytes) + 12));
  });
  expect_damage("refers to page 2, which is used already",
                [&](Buffer& bytes) { put(bytes, trunk(bytes) + 8, 2); });
}

TEST_F(PageOwnersTest, FindsTwoTreesOnOnePage) {
  make("NONE");
  {
    sqlite::Connection connection(path_, sqlite::OpenMode::read_write);
    connection.execute(
        "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET rootpage="
        "(SELECT rootpage FROM sqlite_schema WHERE name='gone') WHERE name='empty'");
  }
  EXPECT_TRUE(sqlite_finds_damage(path_));
  EXPECT_EQ(verify(3), StepVerdict::damaged);
  EXPECT_GE(findings_in(path_, context_.context).size(), 2U) << "one twice, one never";
}

TEST_F(PageOwnersTest, FindsWhatIsWrongWithTheFreelist) {
  make("NONE");
  const auto trunk = [](const Buffer& bytes) { return start_of(get(bytes, kFirstFreeOffset)); };
  expect_damage("pages instead of", [](Buffer& bytes) {
    put(bytes, kFreeCountOffset, get(bytes, kFreeCountOffset) - 1);
  });
  expect_damage("the freelist refers to page 0",
                [&](Buffer& bytes) { put(bytes, trunk(bytes) + 8, 0); });
  expect_damage("the freelist refers to page 1000000",
                [&](Buffer& bytes) { put(bytes, trunk(bytes), 1000000); });
  expect_damage("of at most 254", [&](Buffer& bytes) { put(bytes, trunk(bytes) + 4, 255); });
  expect_damage("is used already", [&](Buffer& bytes) {
    put(bytes, trunk(bytes), get(bytes, kFirstFreeOffset));  // a list without an end
  });
}

TEST_F(PageOwnersTest, FindsWhatTheHeaderSaysWrong) {
  make("INCREMENTAL");
  expect_damage("the largest root is page", [](Buffer& bytes) {
    put(bytes, kLargestRootOffset, get(bytes, kLargestRootOffset) + 1);
  });
  std::remove(path_.c_str());
  make("NONE");
  expect_damage("incremental_vacuum, but not auto_vacuum",
                [](Buffer& bytes) { put(bytes, kIncrementalOffset, 1); });
}

TEST_F(PageOwnersTest, FindsWhatThePointerMapSaysWrong) {
  make("INCREMENTAL");
  const format::PageLayout layout{1024, 0};
  const auto entry = [&layout](std::uint32_t page) {
    return start_of(format::pointer_map_page_of(page, layout)) +
           format::pointer_map_offset_of(page, layout);
  };
  const auto root = [this](const std::string& name) {
    sqlite::Connection connection(path_, sqlite::OpenMode::immutable);
    return static_cast<std::uint32_t>(
        connection.integer("SELECT rootpage FROM sqlite_schema WHERE name='" + name + "'"));
  };
  const std::uint32_t of_t = root("t");
  expect_damage("the pointer map is wrong about page " + std::to_string(of_t),
                [&](Buffer& bytes) { bytes[entry(of_t)] = std::byte{5}; });
  expect_damage("the pointer map is wrong about page " + std::to_string(of_t),
                [&](Buffer& bytes) { put(bytes, entry(of_t) + 1, 7); });
  expect_damage("the pointer map is wrong about page",
                [&](Buffer& bytes) { bytes[entry(get(bytes, kFirstFreeOffset))] = std::byte{1}; });
  expect_damage("pointer-map page 2 is used",
                [&](Buffer& bytes) { put(bytes, start_of(get(bytes, kFirstFreeOffset)) + 8, 2); });
}

TEST_F(PageOwnersTest, FindsATreeThatIsTooDeep) {
  make("NONE");
  const std::uint32_t root = [this] {
    sqlite::Connection connection(path_, sqlite::OpenMode::immutable);
    return static_cast<std::uint32_t>(
        connection.integer("SELECT rootpage FROM sqlite_schema WHERE name='empty'"));
  }();
  expect_damage("has more than 20 levels", [root](Buffer& bytes) {
    // Inner pages of a table without a cell, each of which only has a right child.
    std::uint32_t page = root;
    std::uint32_t next = get(bytes, kSizeOffset);
    for (int level = 0; level < 30; ++level) {
      bytes.resize(bytes.size() + 1024);
      ++next;
      bytes[start_of(page)] = std::byte{5};
      put(bytes, start_of(page) + 8, next);
      page = next;
    }
    bytes[start_of(page)] = std::byte{13};
    put(bytes, kSizeOffset, next);
  });
}

TEST_F(PageOwnersTest, FindsWhatSqliteOverlooksWhereThereAreViews) {
  make("NONE");
  {
    sqlite::Connection connection(path_, sqlite::OpenMode::read_write);
    for (int i = 0; i < 30; ++i) {
      connection.execute("CREATE VIEW v" + std::to_string(i) + " AS SELECT 1");
    }
  }
  EXPECT_EQ(findings_in(path_, context_.context), std::vector<std::string>());
  EXPECT_EQ(verify(1), StepVerdict::ok);
  EXPECT_EQ(verify(3), StepVerdict::ok);
  Buffer bytes = test::read_file(path_);
  bytes.resize(bytes.size() + 1024);
  put(bytes, kSizeOffset, get(bytes, kSizeOffset) + 1);
  test::write_file(path_, bytes);
  EXPECT_EQ(findings_in(path_, context_.context).size(), 1U);
  EXPECT_EQ(verify(1), StepVerdict::damaged);
  EXPECT_EQ(verify(3), StepVerdict::damaged);
}

// Free pages up to the end, made by hand in a file with holes: the page of the lock bytes is there,
// and is on no list.
class BeyondOneGib : public ::testing::TestWithParam<int> {};

TEST_P(BeyondOneGib, ThePageOfTheLockBytesIsNobodys) {
  const kit::TemporaryDirectory directory;
  test::TestContext context;
  const std::string path = directory.file("app.db");
  const auto page_size = static_cast<std::uint32_t>(GetParam());
  {
    sqlite::Connection connection(path, sqlite::OpenMode::create);
    connection.execute("PRAGMA page_size=" + std::to_string(page_size) + "; CREATE TABLE t(x)");
  }
  const std::uint32_t lock_page = format::lock_byte_page(page_size);
  const std::uint32_t pages = lock_page + 3;
  const UniqueFd fd = open_at(AT_FDCWD, path, O_RDWR, 0, path);
  truncate_to(fd.get(), std::uint64_t{pages} * page_size, path);
  const auto write = [&](std::uint32_t page, const Buffer& bytes, std::size_t at) {
    write_all(fd.get(), bytes, std::uint64_t{page - 1} * page_size + at, path);
  };
  const auto number = [](std::uint32_t value) {
    Buffer bytes(4);
    format::write_be32(bytes, 0, value);
    return bytes;
  };
  const auto fill = [&](bool with_lock_page) {
    std::vector<std::uint32_t> free;
    for (std::uint32_t page = 3; page <= pages; ++page) {
      if (page != lock_page || with_lock_page) free.push_back(page);
    }
    const std::size_t leaves = page_size / 4 - 2;
    std::size_t at = 0;
    while (at < free.size()) {
      const std::uint32_t trunk = free[at++];
      const std::size_t count = std::min(leaves, free.size() - at);
      Buffer bytes(8 + 4 * count);
      const std::size_t next = at + count;
      format::write_be32(bytes, 0, next < free.size() ? free[next] : 0);
      format::write_be32(bytes, 4, static_cast<std::uint32_t>(count));
      for (std::size_t i = 0; i < count; ++i) format::write_be32(bytes, 8 + 4 * i, free[at + i]);
      write(trunk, bytes, 0);
      at = next;
    }
    write(1, number(pages), kSizeOffset);
    write(1, number(3), kFirstFreeOffset);
    write(1, number(static_cast<std::uint32_t>(free.size())), kFreeCountOffset);
  };
  fill(false);
  EXPECT_FALSE(sqlite_finds_damage(path));
  EXPECT_EQ(findings_in(path, context.context), std::vector<std::string>());
  fill(true);
  EXPECT_TRUE(sqlite_finds_damage(path));
  EXPECT_NE(findings_in(path, context.context), std::vector<std::string>());
}

INSTANTIATE_TEST_SUITE_P(PageSizes, BeyondOneGib, ::testing::Values(4096, 65536));

TEST_F(PageOwnersTest, StopsWhereTheRunIsCancelled) {
  make("NONE");
  context_.cancel.request();
  EXPECT_EQ(test::code_of([&] { findings_in(path_, context_.context); }), Errc::interrupted);
}

TEST_F(PageOwnersTest, EstimatesTheSizeOfATree) {
  sqlite::Connection connection(path_, sqlite::OpenMode::create);
  connection.execute("CREATE TABLE t(x); CREATE TABLE u(x)");
  connection.execute(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<20000)"
      " INSERT INTO t SELECT randomblob(100) FROM n");
  connection.close();
  const UniqueFd fd = open_at(AT_FDCWD, path_, O_RDONLY, 0, path_);
  const CheckedState state(BorrowedFile{fd.get(), path_});
  Buffer start(format::kDbHeaderSizeBytes);
  static_cast<void>(state.read(start, 0));
  const PageOwners owners(state, *format::parse_db_header(start), context_.context);
  const double pages = static_cast<double>(state.size_bytes()) / 4096;
  EXPECT_NEAR(static_cast<double>(owners.estimated_pages(2)), pages, pages / 4);
  EXPECT_EQ(owners.estimated_pages(3), 1U);
  EXPECT_EQ(owners.estimated_pages(1000000), 1U);
}

}  // namespace
}  // namespace sqlbk::checkpoint
