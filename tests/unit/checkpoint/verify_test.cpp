// What verify reads, and what it does where somebody comes by; what it finds is tested by
// tests/cli.
#include "sqlbk/checkpoint/verify.hpp"

#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

#include "kit/temporary_directory.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "support/errors.hpp"
#include "support/files.hpp"
#include "support/test_context.hpp"

namespace sqlbk::checkpoint {
namespace {

class VerifyTest : public ::testing::Test {
 protected:
  using Look = std::function<void(StagedImage&, const Report&)>;

  VerifyTest() {
    sqlite::Connection connection(path_, sqlite::OpenMode::create);
    connection.execute("PRAGMA page_size=1024; CREATE TABLE t(id INTEGER PRIMARY KEY, x UNIQUE)");
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<200)"
        " INSERT INTO t SELECT i, hex(randomblob(100)) FROM n");
  }

  // As Pipeline::stage() does it, for a source that nobody changes.
  void stage(const std::string& database, const Look& look) {
    ++staged_;
    const kit::TemporaryDirectory private_directory;
    StagedImage image(private_directory.path());
    std::filesystem::copy_file(database, image.main_path());
    if (spoil_) spoil(image.main_path());
    Report report;
    report.verdict = staged_verdict_;
    look(image, report);
  }

  // A page of the table becomes one that makes no sense there.
  static void spoil(const std::string& path) {
    std::string text = test::read_text(path);
    text.replace(std::size_t{5} * 1024, 1024, 1024, '\x7f');
    test::write_text(path, text);
  }

  VerifyReport verify(const VerifyOptions& options = {}) {
    const StageCopy stage_copy = [this](const std::string& database, const std::string&,
                                        RunContext&, const Look& look) { stage(database, look); };
    return verify_database(path_, options, stage_copy, context_.context);
  }

  void write(const std::string& sql) {
    sqlite::Connection connection(path_, sqlite::OpenMode::read_write);
    connection.execute(sql);
  }

  // Runs `work` once, when this check begins.
  void at_check(const std::string& check, const std::function<void()>& work) {
    sink_ = [this, check, work](LogLevel, const std::string& message) {
      if (message != "check " + check || was_there_) return;
      was_there_ = true;
      work();
    };
  }

  kit::TemporaryDirectory directory_;
  std::string path_ = directory_.file("app.db");
  LogSink sink_ = [](LogLevel, const std::string&) {};
  test::TestContext context_{
      {.log_sink = [this](LogLevel level, const std::string& text) { sink_(level, text); }}};
  int staged_ = 0;
  bool was_there_ = false;
  Verdict staged_verdict_ = Verdict::snapshot;
  bool spoil_ = false;
};

const StepReport* find(const VerifyReport& report, const std::string& check) {
  const auto found = std::ranges::find(report.checks, check, &StepReport::name);
  return found == report.checks.end() ? nullptr : &*found;
}

TEST_F(VerifyTest, ReadsADatabaseAtRestWhereItLies) {
  const auto before = test::read_file(path_);
  const VerifyReport report = verify();
  EXPECT_EQ(report.verdict, StepVerdict::ok);
  EXPECT_TRUE(report.in_place);
  EXPECT_EQ(staged_, 0);
  EXPECT_EQ(report.checks.size(), verify_checks().size());
  EXPECT_EQ(test::read_file(path_), before);
  EXPECT_EQ(test::names_in(directory_.path()), std::vector<std::string>{"app.db"});
}

TEST_F(VerifyTest, ChecksACopyWhereSomebodyCameBy) {
  at_check("structure", [this] { write("INSERT INTO t VALUES(1000, 'new')"); });
  const VerifyReport report = verify();
  EXPECT_EQ(report.verdict, StepVerdict::ok);
  EXPECT_FALSE(report.in_place);
  EXPECT_EQ(staged_, 1);
  const auto count = std::ranges::count(report.checks, "structure", &StepReport::name);
  EXPECT_EQ(count, 1) << "what was seen in between is forgotten";
}

TEST_F(VerifyTest, ChecksACopyWhereSomebodyHoldsALock) {
  sqlite::Connection reader(path_, sqlite::OpenMode::read_write);
  reader.execute("BEGIN IMMEDIATE");
  const VerifyReport report = verify();
  EXPECT_EQ(report.verdict, StepVerdict::ok);
  EXPECT_EQ(staged_, 1);
  EXPECT_NO_THROW(reader.execute("INSERT INTO t VALUES(1000, 'new'); COMMIT"))
      << "and the lock is still held";
}

TEST_F(VerifyTest, AWalIsLaidOverMain) {
  {
    sqlite::Connection connection(path_, sqlite::OpenMode::read_write);
    connection.execute("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0");
    // Larger, and a page that is there twice.
    connection.execute("INSERT INTO t SELECT id + 1000, hex(randomblob(100)) FROM t");
    connection.execute("UPDATE t SET x = x || 'x' WHERE id < 1100");
    connection.disable_checkpoint_on_close();
  }
  std::filesystem::remove(path_ + "-shm");
  const auto main = test::read_file(path_);
  VerifyReport report = verify();
  EXPECT_EQ(report.verdict, StepVerdict::ok);
  EXPECT_TRUE(report.in_place);
  EXPECT_GT(report.size_bytes, main.size());
  EXPECT_EQ(test::read_file(path_), main);
  EXPECT_EQ(test::names_in(directory_.path()), (std::vector<std::string>{"app.db", "app.db-wal"}));
  // It is the WAL that makes it sound: main alone is not what its indexes say.
  const std::string other = directory_.file("other.db");
  std::filesystem::copy_file(path_, other);
  VerifyOptions options;
  options.against = other;
  report = verify(options);
  EXPECT_EQ(report.verdict, StepVerdict::could_not_check);
  ASSERT_NE(find(report, "against"), nullptr);
  EXPECT_EQ(find(report, "against")->verdict, StepVerdict::could_not_check);
  EXPECT_EQ(report.against.result, Against::differs_cause_unknown);
}

// ---- What is checked is a copy that nothing proves to be one state.

TEST_F(VerifyTest, DamageInACopyThatMayBeTornIsNoDamageOfTheDatabase) {
  for (const Verdict verdict : {Verdict::snapshot, Verdict::unproven}) {
    // So that a copy is checked. What closes a file of this process drops the lock.
    sqlite::Connection writer(path_, sqlite::OpenMode::read_write);
    writer.execute("BEGIN IMMEDIATE");
    staged_verdict_ = verdict;
    spoil_ = true;
    const VerifyReport report = verify();
    const bool may_be_torn = verdict == Verdict::unproven;
    const StepVerdict expected = may_be_torn ? StepVerdict::could_not_check : StepVerdict::damaged;
    EXPECT_EQ(report.verdict, expected) << to_string(verdict);
    ASSERT_NE(find(report, "structure"), nullptr);
    EXPECT_EQ(find(report, "structure")->verdict, expected) << to_string(verdict);
    ASSERT_FALSE(find(report, "structure")->findings.empty());
    const std::string said = find(report, "structure")->findings.front();
    EXPECT_EQ(said.find("may be torn") != std::string::npos, may_be_torn) << said;
  }
  spoil_ = false;
  EXPECT_EQ(verify().verdict, StepVerdict::ok) << "sound all the same";
}

TEST_F(VerifyTest, ADifferenceFromACopyThatMayBeTornIsNoLoss) {
  const std::string copy = directory_.file("copy.db");
  std::filesystem::copy_file(path_, copy);
  VerifyOptions options;
  options.against = copy;
  options.expected.emplace();
  options.expected->source.emplace();
  sqlite::Connection writer(copy, sqlite::OpenMode::read_write);
  writer.execute("DELETE FROM t WHERE id = 7; BEGIN IMMEDIATE");
  staged_verdict_ = Verdict::unproven;
  const VerifyReport report = verify(options);
  EXPECT_EQ(report.against.result, Against::differs_cause_unknown);
  EXPECT_NE(report.against.reason.find("may be torn"), std::string::npos) << report.against.reason;
}

TEST_F(VerifyTest, ManyConnectionsFindWhatOneFinds) {
  // One of the two places that hold the key: the table or its index.
  std::string text = test::read_text(path_);
  const std::string key = [this] {
    sqlite::Connection connection(path_, sqlite::OpenMode::immutable);
    return connection.text("SELECT x FROM t WHERE id=100");
  }();
  const std::size_t at = text.rfind(key);
  ASSERT_NE(at, std::string::npos);
  text[at + key.size() - 1] = '!';
  test::write_text(path_, text);
  for (const unsigned jobs : {1U, 2U, 8U}) {
    VerifyOptions options;
    options.jobs = jobs;
    const VerifyReport report = verify(options);
    EXPECT_EQ(report.verdict, StepVerdict::damaged) << jobs;
    EXPECT_EQ(find(report, "structure")->verdict, StepVerdict::damaged) << jobs;
  }
  VerifyOptions quick;
  quick.quick = true;
  EXPECT_EQ(verify(quick).verdict, StepVerdict::ok);
}

TEST_F(VerifyTest, AnUnknownVersionIsDamageOnlyWhereNobodyWouldWriteIt) {
  auto bytes = test::read_file(path_);
  bytes[19] = std::byte{3};
  test::write_file(path_, bytes);
  EXPECT_EQ(verify().verdict, StepVerdict::damaged);
  bytes[18] = std::byte{3};
  test::write_file(path_, bytes);
  const VerifyReport report = verify();
  EXPECT_EQ(report.verdict, StepVerdict::could_not_check);
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->code(), Errc::unsupported_database);
}

TEST_F(VerifyTest, StopsWhereTheRunIsCancelled) {
  at_check("structure", [this] { context_.cancel.request(); });
  EXPECT_EQ(test::code_of([&] { static_cast<void>(verify()); }), Errc::interrupted);
}

TEST_F(VerifyTest, RefusesAnUnknownCheck) {
  VerifyOptions options;
  options.checks = {"structure", "spelling"};
  EXPECT_EQ(test::code_of([&] { static_cast<void>(verify(options)); }), Errc::usage);
}

}  // namespace
}  // namespace sqlbk::checkpoint
