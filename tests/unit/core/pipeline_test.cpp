#include "sqlbk/core/pipeline.hpp"

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "database.hpp"
#include "errors.hpp"
#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "process.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/host_thread.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/wal_scan.hpp"
#include "test_context.hpp"

namespace sqlbk {
namespace {

using namespace std::chrono_literals;
using test::code_of;
using test::Database;
using test::error_of;
using test::names_in;

using Copy = std::function<Evidence(LiveFiles&, StagedImage&, const CopyOptions&, RunContext&)>;

void copy_bytes(LiveFiles& files, SourceFile file, int to) {
  test::Buffer bytes(files.has(file) ? files.stat(file).size_bytes : 0);
  bytes.resize(files.read(file, bytes, 0));
  write_all(to, bytes, 0, "image");
}

// A strategy for a source at rest, without any proof.
Evidence copy_plainly(LiveFiles& files, StagedImage& image, const CopyOptions&,
                      RunContext& context) {
  copy_bytes(files, SourceFile::main, image.main_fd());
  if (files.has(SourceFile::wal)) {
    copy_bytes(files, SourceFile::wal, image.wal_fd());
    image.wal_prefix = scan_wal(image.wal_fd(), image.wal_path(), context).committed;
  }
  return {.verdict = Verdict::at_rest};
}

class FakeStrategy final : public CopyStrategy {
 public:
  FakeStrategy(StrategyTraits traits, Copy copy, unsigned attempts)
      : traits_(traits), copy_(std::move(copy)), attempts_(attempts) {}
  std::string_view name() const noexcept override { return "fake"; }
  std::string_view summary() const noexcept override { return "a fake"; }
  StrategyTraits traits() const noexcept override { return traits_; }
  Suitability probe(const SourceFacts&) const override { return {}; }
  AttemptPolicy policy(const CopyOptions&) const override { return {.attempts = attempts_}; }
  Evidence attempt(LiveFiles& files, StagedImage& image, const CopyOptions& options,
                   RunContext& context) override {
    return copy_(files, image, options, context);
  }

 private:
  StrategyTraits traits_;
  Copy copy_;
  unsigned attempts_;
};

using Step = std::function<StepReport(StagedImage&, RunContext&)>;

class FakeStep final : public PostStep {
 public:
  explicit FakeStep(Step step, StepTraits traits = {}) : step_(std::move(step)), traits_(traits) {}
  std::string_view name() const noexcept override { return "fake-step"; }
  StepTraits traits() const noexcept override { return traits_; }
  StepReport run(StagedImage& image, RunContext& context) override { return step_(image, context); }

 private:
  Step step_;
  StepTraits traits_;
};

class PipelineTest : public testing::Test {
 protected:
  PipelineTest() {
    std::filesystem::create_directory(directory_.file("out"));
    {
      Database source(source_);
      source.leave_wal();
      source.run("PRAGMA journal_mode=WAL; CREATE TABLE t(a); PRAGMA wal_checkpoint");
      source.run("INSERT INTO t VALUES (7)");
    }
    request_.source = source_;
    request_.destination = out_ + "/copy.db";
    request_.strategy = "fake";
  }

  Registry registry() const {
    Registry registry;
    registry.add(StrategyEntry{
        "fake", [this] { return std::make_unique<FakeStrategy>(traits_, copy_, attempts_); }});
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      registry.add(StepEntry{
          "step" + std::to_string(i), "", "a fake",
          [this, i](const std::string&) { return std::make_unique<FakeStep>(steps_[i]); }});
    }
    return registry;
  }
  void run() {
    Pipeline pipeline = Pipeline::build(request_, registry());
    pipeline.run(test_.context, report_);
  }
  // Fails, and leaves nothing.
  std::optional<Error> failure() {
    auto error = error_of([&] { run(); });
    EXPECT_TRUE(names_in(out_).empty()) << "no destination, no temporary files";
    EXPECT_FALSE(test_.context.is_isolated());
    return error;
  }

  kit::TemporaryDirectory directory_;
  std::string source_ = directory_.file("source.db");
  std::string out_ = directory_.file("out");
  StrategyTraits traits_;
  Copy copy_ = copy_plainly;
  unsigned attempts_ = 1;
  std::vector<Step> steps_;
  CopyRequest request_;
  test::TestContext test_;
  Report report_;
};

TEST_F(PipelineTest, MakesOneFile) {
  const test::Buffer main = test::read_file(source_);
  const test::Buffer wal = test::read_file(source_ + "-wal");
  run();
  EXPECT_EQ(names_in(out_), std::vector<std::string>{"copy.db"});
  EXPECT_EQ(report_.source, source_);
  EXPECT_EQ(report_.destination, out_ + "/copy.db");
  EXPECT_EQ(report_.strategy_asked, "fake");
  EXPECT_EQ(report_.verdict, Verdict::at_rest);
  EXPECT_EQ(report_.page_size_bytes, 4096U);
  EXPECT_EQ(report_.size_bytes, std::filesystem::file_size(out_ + "/copy.db"));
  EXPECT_EQ(report_.wal_size_bytes, 0U);
  EXPECT_GT(report_.total_time, 0ns);
  EXPECT_GE(report_.total_time, report_.probe_time + report_.copy_time + report_.fold_time +
                                    report_.steps_time + report_.publish_time);
  EXPECT_EQ(test_.progress.phase.load(), Phase::done);
  EXPECT_TRUE(test::read_file(source_) == main);
  EXPECT_TRUE(test::read_file(source_ + "-wal") == wal);
  Database copy(out_ + "/copy.db");
  EXPECT_EQ(copy.text("PRAGMA journal_mode"), "delete");
  EXPECT_EQ(copy.integer("SELECT a FROM t"), 7);
}

TEST_F(PipelineTest, KeepsTheWalWhereAskedTo) {
  traits_.can_deliver_wal = true;
  request_.copy.form = ImageForm::main_and_wal;
  request_.journal_mode = JournalMode::keep;
  run();
  EXPECT_EQ(names_in(out_), (std::vector<std::string>{"copy.db", "copy.db-wal"}));
  EXPECT_EQ(report_.wal_size_bytes, std::filesystem::file_size(out_ + "/copy.db-wal"));
  EXPECT_EQ(Database(out_ + "/copy.db").integer("SELECT a FROM t"), 7);
}

TEST_F(PipelineTest, ADirectoryStandsForAFileInIt) {
  request_.destination = out_;
  run();
  EXPECT_EQ(report_.destination, out_ + "/source.db");
  EXPECT_EQ(names_in(out_), std::vector<std::string>{"source.db"});
}

// An attempt may find another file under the source's name than the run did.
TEST_F(PipelineTest, TheReportNamesTheFileThatWasCopied) {
  run();
  EXPECT_EQ(report_.source_identity.inode, test::inode_of(source_));
  EXPECT_EQ(report_.source_identity.size_bytes, std::filesystem::file_size(source_));
  EXPECT_EQ(report_.source_identity.wal_size_bytes, std::filesystem::file_size(source_ + "-wal"));
  std::filesystem::remove(out_ + "/copy.db");
  const std::string newer = directory_.file("newer.db");
  { Database(newer).run("CREATE TABLE t(a); INSERT INTO t VALUES (8)"); }
  std::filesystem::permissions(source_, std::filesystem::perms(0644));
  std::filesystem::permissions(newer, std::filesystem::perms(0600));
  attempts_ = 2;
  copy_ = [&](LiveFiles& files, StagedImage& image, const CopyOptions& options,
              RunContext& context) {
    if (!std::filesystem::exists(newer)) return copy_plainly(files, image, options, context);
    std::filesystem::remove(source_ + "-wal");
    std::filesystem::rename(newer, source_);
    throw Error(Errc::source_changed, "it was replaced");
  };
  run();
  EXPECT_EQ(Database(out_ + "/copy.db").integer("SELECT a FROM t"), 8);
  EXPECT_EQ(test::permissions_of(out_ + "/copy.db"), 0600U);
  EXPECT_EQ(report_.source_identity.inode, test::inode_of(source_));
  EXPECT_EQ(report_.source_identity.size_bytes, std::filesystem::file_size(source_));
  EXPECT_EQ(report_.source_identity.wal_size_bytes, 0U);
  EXPECT_EQ(report_.source_identity.ctime_ns, 0) << "not known";
}

// ---- Before a file is touched.

TEST_F(PipelineTest, UsageErrorsAreThrownWhenItIsBuilt) {
  const auto refused = [&](const std::function<void(CopyRequest&)>& change) {
    CopyRequest request = request_;
    change(request);
    return code_of([&] { Pipeline::build(request, registry()); });
  };
  EXPECT_EQ(refused([](CopyRequest&) {}), std::nullopt);
  EXPECT_EQ(refused([](CopyRequest& r) { r.source.clear(); }), Errc::usage);
  EXPECT_EQ(refused([](CopyRequest& r) { r.destination.clear(); }), Errc::usage);
  EXPECT_EQ(refused([](CopyRequest& r) { r.strategy = "other"; }), Errc::usage);
  EXPECT_EQ(refused([](CopyRequest& r) { r.steps = {"other"}; }), Errc::usage);
  const auto keep_wal = [](JournalMode mode) {
    return [mode](CopyRequest& r) {
      r.copy.form = ImageForm::main_and_wal;
      r.journal_mode = mode;
    };
  };
  EXPECT_EQ(refused(keep_wal(JournalMode::keep)), Errc::usage) << "the strategy cannot";
  traits_.can_deliver_wal = true;
  EXPECT_EQ(refused(keep_wal(JournalMode::keep)), std::nullopt);
  EXPECT_EQ(refused(keep_wal(JournalMode::wal)), std::nullopt);
  EXPECT_EQ(refused(keep_wal(JournalMode::rollback)), Errc::usage) << "beside a WAL it is WAL";
}

TEST_F(PipelineTest, NothingMayChangeTheCopyBehindItsDigest) {
  Registry parts = registry();
  const auto nothing = [](StagedImage&, RunContext&) { return StepReport(); };
  const auto add = [&](const std::string& name, StepTraits traits) {
    parts.add(StepEntry{name, "", "a fake", [nothing, traits](const std::string&) {
                          return std::make_unique<FakeStep>(nothing, traits);
                        }});
  };
  add("take", {.takes_digest = true});
  add("change", {.changes_image = true});
  add("look", {.reads_content = true});
  const auto refusal = [&](const std::vector<std::string>& steps) {
    request_.steps = steps;
    return code_of([&] { static_cast<void>(Pipeline::build(request_, parts)); });
  };
  EXPECT_EQ(refusal({"take", "change"}), Errc::usage);
  EXPECT_EQ(refusal({"take", "look", "change"}), Errc::usage);
  EXPECT_EQ(refusal({"change", "take", "look", "take"}), std::nullopt);
}

TEST_F(PipelineTest, ARunWithoutAContextGivesItsReport) {
  const Report report = Pipeline::build(request_, registry()).run();
  EXPECT_EQ(report.destination, out_ + "/copy.db");
  EXPECT_EQ(names_in(out_), std::vector<std::string>{"copy.db"});
}

TEST_F(PipelineTest, APlanMakesNothingAndRefusesWhatARunRefuses) {
  steps_ = {[](StagedImage&, RunContext&) { return StepReport{}; }};
  request_.steps = {"step0"};
  Pipeline pipeline = Pipeline::build(request_, registry());
  pipeline.plan(test_.context, report_);
  EXPECT_EQ(report_.decisions, (std::vector<std::string>{"fake: as asked for", "then fake-step"}));
  EXPECT_EQ(report_.destination, out_ + "/copy.db");
  EXPECT_TRUE(names_in(out_).empty());
  test::write_text(out_ + "/copy.db", "there");
  EXPECT_EQ(code_of([&] { pipeline.plan(test_.context, report_); }), Errc::destination_exists);
  EXPECT_EQ(code_of([&] { pipeline.run(test_.context, report_); }), Errc::destination_exists);
  std::filesystem::remove(out_ + "/copy.db");
  test::write_text(source_ + "-wal2", "");
  EXPECT_EQ(code_of([&] { pipeline.plan(test_.context, report_); }), Errc::unsupported_database);
  EXPECT_EQ(code_of([&] { pipeline.run(test_.context, report_); }), Errc::unsupported_database);
}

// ---- Failures.

TEST_F(PipelineTest, AMissingSourceLeavesNothing) {
  request_.source = directory_.file("missing.db");
  EXPECT_EQ(failure()->code(), Errc::source_missing);
}

TEST_F(PipelineTest, AStrategyThatFailsHalfWayLeavesNothing) {
  copy_ = [](LiveFiles& files, StagedImage& image, const CopyOptions& options,
             RunContext& context) -> Evidence {
    copy_plainly(files, image, options, context);
    throw Error(Errc::source_changed, "it moved");
  };
  EXPECT_EQ(failure()->code(), Errc::source_changed);
  copy_ = [](LiveFiles&, StagedImage&, const CopyOptions&, RunContext&) -> Evidence {
    throw std::runtime_error("not one of ours");
  };
  EXPECT_THROW(run(), std::runtime_error);
  EXPECT_TRUE(names_in(out_).empty());
}

TEST_F(PipelineTest, ACopyThatIsNoDatabaseIsNotPublished) {
  copy_ = [](LiveFiles&, StagedImage& image, const CopyOptions&, RunContext&) {
    write_all(image.main_fd(), std::as_bytes(std::span("rubbish", 7)), 0, "image");
    return Evidence{.verdict = Verdict::at_rest};
  };
  EXPECT_EQ(failure()->code(), Errc::damaged);
}

TEST_F(PipelineTest, CancelAndDeadlineStopARunEverywhere) {
  test_.cancel.request();
  EXPECT_EQ(failure()->code(), Errc::interrupted);
  test::TestContext other({.deadline = Deadline::after(0ms)});
  Pipeline pipeline = Pipeline::build(request_, registry());
  EXPECT_EQ(code_of([&] { pipeline.run(other.context, report_); }), Errc::deadline_exceeded);
  EXPECT_TRUE(names_in(out_).empty());
}

TEST_F(PipelineTest, ACancelInTheLastStepStillLeavesNothing) {
  steps_ = {[this](StagedImage&, RunContext&) {
    test_.cancel.request();
    return StepReport{};
  }};
  request_.steps = {"step0"};
  EXPECT_EQ(failure()->code(), Errc::interrupted);
  EXPECT_EQ(report_.steps.size(), 1U) << "the report tells how far it came";
}

// ---- Steps.

TEST_F(PipelineTest, StepsRunInOrderOnTheFoldedCopy) {
  std::vector<std::string> seen;
  const auto look = [&](const std::string& name) {
    return [&seen, name](StagedImage& image, RunContext&) {
      seen.push_back(name + ":" +
                     std::to_string(Database(image.main_path()).integer("SELECT a FROM t")));
      StepReport report;
      report.name = name;
      return report;
    };
  };
  steps_ = {look("first"), look("second")};
  request_.steps = {"step1", "step0"};
  run();
  EXPECT_EQ(seen, (std::vector<std::string>{"second:7", "first:7"}));
  ASSERT_EQ(report_.steps.size(), 2U);
  EXPECT_EQ(report_.steps[0].name, "second");
  EXPECT_GT(report_.steps[0].elapsed, 0ns);
}

TEST_F(PipelineTest, DamageThatAStepFindsIsNotPublished) {
  const auto with = [](StepVerdict verdict, const std::vector<std::string>& findings) {
    return [=](StagedImage&, RunContext&) {
      return StepReport{.name = "look", .verdict = verdict, .findings = findings, .elapsed = {}};
    };
  };
  request_.steps = {"step0"};
  steps_ = {with(StepVerdict::damaged, {"page 3", "page 4"})};
  const auto damaged = failure();
  ASSERT_TRUE(damaged);
  EXPECT_EQ(damaged->code(), Errc::damaged);
  EXPECT_EQ(damaged->path(), source_);
  EXPECT_NE(std::string(damaged->what()).find("page 3"), std::string::npos);
  steps_ = {with(StepVerdict::could_not_check, {})};
  EXPECT_EQ(failure()->code(), Errc::sqlite_error);
  steps_ = {with(StepVerdict::skipped, {"nothing to do"})};
  run();
  EXPECT_EQ(names_in(out_), std::vector<std::string>{"copy.db"});
}

TEST_F(PipelineTest, AStepThatThrowsLeavesNothing) {
  request_.steps = {"step0"};
  steps_ = {[](StagedImage& image, RunContext&) -> StepReport {
    static_cast<void>(image.main_fd());
    throw Error(Errc::no_space, "full");
  }};
  const int before = test::descriptors();
  EXPECT_EQ(failure()->code(), Errc::no_space);
  EXPECT_EQ(test::descriptors(), before) << "nor a descriptor in the host's table";
}

// ---- Errors on their way up: what they hold stays, and what the run knows is added.

Error error_with_all_fields(const std::string& path) {
  Error error(Errc::no_space, "unable to write " + sqlbk::quoted(path) + ": full");
  error.with_path(path).with_errno(ENOSPC).with_sqlite_code(13).with_hint("sweep");
  return error;
}

void expect_all_fields(const std::optional<Error>& error, const CopyRequest& request) {
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Errc::no_space);
  EXPECT_EQ(error->os_errno(), ENOSPC);
  EXPECT_EQ(error->sqlite_extended_code(), 13);
  EXPECT_EQ(error->hint(), "sweep");
  EXPECT_EQ(error->source(), request.source);
  EXPECT_EQ(error->destination(), request.destination);
}

TEST_F(PipelineTest, AnErrorAboutAnotherFileKeepsItAndSaysWhichCopyFailed) {
  copy_ = [](LiveFiles&, StagedImage&, const CopyOptions&, RunContext&) -> Evidence {
    throw error_with_all_fields("/staged");
  };
  const auto error = failure();
  expect_all_fields(error, request_);
  EXPECT_EQ(error->path(), "/staged");
  EXPECT_EQ(error->what(), "unable to copy " + sqlbk::quoted(source_) + " to " +
                               sqlbk::quoted(request_.destination) +
                               ": unable to write '/staged': full");
}

TEST_F(PipelineTest, AnErrorAboutTheSourceOrTheDestinationIsNotGivenTheirNamesTwice) {
  for (const std::string& path : {source_, request_.destination}) {
    copy_ = [&](LiveFiles&, StagedImage&, const CopyOptions&, RunContext&) -> Evidence {
      throw error_with_all_fields(path);
    };
    const auto error = failure();
    expect_all_fields(error, request_);
    EXPECT_EQ(error->path(), path);
    EXPECT_EQ(error->what(), "unable to write " + sqlbk::quoted(path) + ": full");
  }
}

// The name of the source stands in the text by chance.
TEST_F(PipelineTest, WhichCopyFailedIsSaidWhateverTheTextContains) {
  copy_ = [this](LiveFiles&, StagedImage&, const CopyOptions&, RunContext&) -> Evidence {
    throw Error(Errc::no_space, "unable to write '" + source_ + "s': full")
        .with_path(source_ + "s");
  };
  const auto error = failure();
  EXPECT_TRUE(std::string(error->what()).starts_with("unable to copy ")) << error->what();
}

TEST_F(PipelineTest, WhatBrokeACheckOffKeepsItsFields) {
  request_.steps = {"step0"};
  steps_ = {[](StagedImage&, RunContext&) {
    return StepReport{.name = "look",
                      .verdict = StepVerdict::could_not_check,
                      .findings = {"unable to write '/staged': full"},
                      .elapsed = {},
                      .error = error_with_all_fields("/staged")};
  }};
  const auto error = failure();
  expect_all_fields(error, request_);
  EXPECT_EQ(error->path(), source_);
  EXPECT_EQ(error->what(), "the step 'look' could not check the copy of " + sqlbk::quoted(source_) +
                               ": unable to write '/staged': full");
}

TEST_F(PipelineTest, APlanNamesTheCopyLikeTheRun) {
  request_.destination = directory_.file("none") + "/copy.db";
  const auto plan =
      error_of([&] { Pipeline::build(request_, registry()).plan(test_.context, report_); });
  const auto run = failure();
  ASSERT_TRUE(plan && run);
  EXPECT_STREQ(plan->what(), run->what());
  EXPECT_EQ(plan->source(), source_);
  EXPECT_EQ(plan->destination(), request_.destination);
}

// What is found in a copy that nothing proves says nothing about its source.
TEST_F(PipelineTest, AnUnprovenCopyWithDamageIsTornAndNotDamaged) {
  const auto expect_torn = [this](const std::string& found) {
    const auto error = failure();
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), Errc::source_changed);
    const std::string text = error->what();
    EXPECT_NE(text.find("the unproven copy of '" + source_ + "' is torn"), std::string::npos)
        << text;
    EXPECT_NE(text.find(found), std::string::npos) << text;
    EXPECT_EQ(error->hint().find("restore an older copy"), std::string_view::npos);
  };
  const auto unproven = [](const Copy& copy) {
    return
        [=](LiveFiles& files, StagedImage& image, const CopyOptions& options, RunContext& context) {
          Evidence evidence = copy(files, image, options, context);
          evidence.verdict = Verdict::unproven;
          return evidence;
        };
  };
  copy_ = unproven(copy_plainly);
  request_.steps = {"step0"};
  steps_ = {[](StagedImage&, RunContext&) {
    return StepReport{
        .name = "look", .verdict = StepVerdict::damaged, .findings = {"page 3"}, .elapsed = {}};
  }};
  expect_torn("page 3");
  request_.steps = {};
  copy_ = unproven([](LiveFiles&, StagedImage& image, const CopyOptions&, RunContext&) {
    write_all(image.main_fd(), std::as_bytes(std::span("rubbish", 7)), 0, "image");
    return Evidence{};
  });
  expect_torn("damaged");
}

// ---- Threads.

TEST_F(PipelineTest, TheRunHasItsOwnTableAndItsStepsHaveTheHosts) {
  const std::thread::id here = std::this_thread::get_id();
  std::thread::id in_copy;
  std::thread::id in_step;
  copy_ = [&](LiveFiles& files, StagedImage& image, const CopyOptions& options,
              RunContext& context) {
    in_copy = std::this_thread::get_id();
    EXPECT_TRUE(context.is_isolated());
    return copy_plainly(files, image, options, context);
  };
  steps_ = {[&](StagedImage&, RunContext&) {
    in_step = std::this_thread::get_id();
    return StepReport{};
  }};
  request_.steps = {"step0"};
  const int before = test::descriptors();
  run();
  EXPECT_NE(in_copy, here);
  EXPECT_EQ(in_step, here);
  EXPECT_EQ(test::descriptors(), before);
  EXPECT_FALSE(test_.context.is_isolated());
}

TEST_F(PipelineTest, ItsOptionsReachTheStrategy) {
  request_.copy.copy_retry = 17;
  unsigned seen = 0;
  copy_ = [&](LiveFiles& files, StagedImage& image, const CopyOptions& options,
              RunContext& context) {
    seen = options.copy_retry;
    return copy_plainly(files, image, options, context);
  };
  run();
  EXPECT_EQ(seen, 17U);
}

TEST(Verdicts, HaveTheNamesOfTheJsonOutput) {
  EXPECT_EQ(to_string(Verdict::none), "none");
  EXPECT_EQ(to_string(Verdict::snapshot), "snapshot");
  EXPECT_EQ(to_string(Verdict::proven), "proven");
  EXPECT_EQ(to_string(Verdict::at_rest), "at-rest");
  EXPECT_EQ(to_string(Verdict::recovered), "recovered");
  EXPECT_EQ(to_string(Verdict::assumed), "assumed");
  EXPECT_EQ(to_string(Verdict::unproven), "unproven");
  EXPECT_EQ(to_string(StepVerdict::ok), "ok");
  EXPECT_EQ(to_string(StepVerdict::damaged), "damaged");
  EXPECT_EQ(to_string(StepVerdict::could_not_check), "could_not_check");
  EXPECT_EQ(to_string(StepVerdict::skipped), "skipped");
}

}  // namespace
}  // namespace sqlbk
