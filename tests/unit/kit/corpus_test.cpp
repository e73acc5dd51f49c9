#include "kit/corpus.hpp"

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "file_bytes.hpp"
#include "kit/temporary_directory.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/sqlite.hpp"

namespace sqlbk::kit {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;

TEST(Corpus, AtRestItIsOneFileOfTheSizeAskedFor) {
  const TemporaryDirectory directory;
  CorpusOptions options;
  options.database.size_mb = 6;
  options.extra_tables = 2;
  options.indexes = true;
  const Corpus corpus = make_corpus(directory.file("a.db"), options);
  EXPECT_EQ(corpus.main_bytes, std::filesystem::file_size(corpus.path));
  EXPECT_NEAR(static_cast<double>(corpus.main_bytes), 6 * kMiB, 0.1 * kMiB);
  EXPECT_EQ(corpus.wal_bytes, 0U);
  EXPECT_FALSE(std::filesystem::exists(corpus.path + "-wal"));
  EXPECT_TRUE(check_copy(corpus.path).good());
  sqlite::Connection connection(corpus.path, sqlite::OpenMode::immutable);
  EXPECT_EQ(connection.integer("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'extra%'"), 4);
  EXPECT_GT(connection.integer("SELECT count(*) FROM extra_2"), 3000);
}

TEST(Corpus, TheWalIsLeftAndIsPartOfIt) {
  const TemporaryDirectory directory;
  CorpusOptions options;
  options.database.size_mb = 2;
  options.database.page_size = 1024;
  options.wal_mb = 3;
  const Corpus corpus = make_corpus(directory.file("a.db"), options);
  EXPECT_EQ(corpus.wal_bytes, std::filesystem::file_size(corpus.path + "-wal"));
  EXPECT_GE(static_cast<double>(corpus.wal_bytes), 3 * kMiB);
  EXPECT_LT(static_cast<double>(corpus.wal_bytes), 5 * kMiB);
  ASSERT_EQ(corpus.committed.size(), 1U);
  const CheckResult both = check_copy(corpus.path, corpus.committed);
  EXPECT_TRUE(both.good()) << both.explain();
  std::filesystem::copy_file(corpus.path, directory.file("main alone.db"));
  EXPECT_EQ(check_copy(directory.file("main alone.db"), corpus.committed).verdict,
            CopyVerdict::stale);
}

TEST(Corpus, FreePagesLieAllOverTheFile) {
  const TemporaryDirectory directory;
  CorpusOptions options;
  options.database.size_mb = 4;
  options.database.row_bytes = 100;
  options.database.fragmentation_percent = 40;
  const Corpus corpus = make_corpus(directory.file("a.db"), options);
  EXPECT_NEAR(static_cast<double>(corpus.main_bytes), 4 * kMiB, 0.1 * kMiB);
  EXPECT_TRUE(check_copy(corpus.path).good());
  {
    sqlite::Connection connection(corpus.path, sqlite::OpenMode::immutable);
    const auto pages = static_cast<double>(connection.integer("PRAGMA page_count"));
    const auto free = static_cast<double>(connection.integer("PRAGMA freelist_count"));
    EXPECT_NEAR(free / pages, 0.4, 0.05);
    EXPECT_NEAR(static_cast<double>(connection.integer("SELECT max(id) FROM account")),
                0.6 * 4 * kMiB / 100, 0.1 * 4 * kMiB / 100);
  }
  const Corpus again = make_corpus(directory.file("b.db"), options);
  EXPECT_EQ(bytes_of(corpus.path), bytes_of(again.path));
}

TEST(Corpus, TheWorkloadCanBeAddedToAnyDatabase) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("a.db");
  {
    sqlite::Connection connection(path, sqlite::OpenMode::create);
    connection.execute(
        "PRAGMA page_size = 1024; CREATE TABLE mine (x); INSERT INTO mine VALUES (1)");
    connection.close();
  }
  add_workload(path, 1);
  EXPECT_TRUE(check_copy(path).good());
  sqlite::Connection connection(path, sqlite::OpenMode::read_write);
  EXPECT_EQ(connection.integer("SELECT x FROM mine"), 1);
  Workload workload(connection, 1, {}, 1);
  EXPECT_TRUE(workload.run());
  EXPECT_THROW(add_workload(path, 1), Error);
}

}  // namespace
}  // namespace sqlbk::kit
