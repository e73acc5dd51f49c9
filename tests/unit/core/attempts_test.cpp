#include "sqlbk/core/attempts.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "database.hpp"
#include "errors.hpp"
#include "kit/temporary_directory.hpp"
#include "sqlbk/core/io.hpp"
#include "test_context.hpp"

namespace sqlbk {
namespace {

using namespace std::chrono_literals;
using test::code_of;
using test::error_of;

// Plays a part for each attempt; the last one goes on for ever.
class ScriptedStrategy final : public CopyStrategy {
 public:
  using Part = std::function<Evidence(StagedImage&, RunContext&)>;

  ScriptedStrategy(std::string name, std::vector<Part> parts, AttemptPolicy policy = {})
      : name_(std::move(name)), parts_(std::move(parts)), policy_(policy) {}

  std::string_view name() const noexcept override { return name_; }
  std::string_view summary() const noexcept override { return "plays a part"; }
  StrategyTraits traits() const noexcept override { return traits_of_it; }
  Suitability probe(const SourceFacts&) const override { return {}; }
  AttemptPolicy policy(const CopyOptions&) const override { return policy_; }
  CopyStrategy* unproven() override { return last_resort; }
  std::vector<Assumption> preview(LiveFiles&, const SourceFacts&, const CopyOptions&,
                                  RunContext& context) const override {
    StagedImage none{""};
    return foreseen(none, context).assumptions;
  }
  void end_series() noexcept override { ++series; }
  NextAttempt after_failure(const Error& error, StagedImage& image) override {
    failures.push_back(error.code());
    image.discard();
    return next;
  }

  Evidence attempt(LiveFiles&, StagedImage& image, const CopyOptions&,
                   RunContext& context) override {
    const std::size_t part = std::min<std::size_t>(attempts++, parts_.size() - 1);
    return parts_[part](image, context);
  }

  StrategyTraits traits_of_it;
  Part foreseen = [](StagedImage&, RunContext&) { return Evidence{}; };
  NextAttempt next;
  CopyStrategy* last_resort = nullptr;
  std::vector<Errc> failures;
  unsigned attempts = 0;
  unsigned series = 0;

 private:
  std::string name_;
  std::vector<Part> parts_;
  AttemptPolicy policy_;
};

using Part = ScriptedStrategy::Part;

Part fails(Errc code, const std::string& text = "it failed") {
  return [=](StagedImage&, RunContext&) -> Evidence { throw Error(code, text); };
}

Part returns(const Evidence& evidence) {
  return [=](StagedImage&, RunContext&) { return evidence; };
}

// Tries `choices` in order, as auto does.
class ScriptedChooser final : public StrategyChooser {
 public:
  explicit ScriptedChooser(std::vector<CopyStrategy*> strategies, unsigned rounds = 1)
      : strategies_(std::move(strategies)), rounds_(rounds) {}

  std::string_view name() const noexcept override { return "chooser"; }
  std::string_view summary() const noexcept override { return "tries them in order"; }
  StrategyTraits traits() const noexcept override { return {}; }
  Suitability probe(const SourceFacts&) const override { return {}; }
  unsigned rounds(const CopyOptions&) const override { return rounds_; }
  std::vector<Choice> choose(const SourceFacts&, const CopyOptions& options) override {
    std::vector<Choice> choices;
    for (CopyStrategy* strategy : strategies_) {
      choices.push_back({strategy, "because", strategy->policy(options)});
    }
    return choices;
  }

 private:
  std::vector<CopyStrategy*> strategies_;
  unsigned rounds_;
};

class Attempts : public testing::Test {
 protected:
  Attempts() {
    test::Database(source_).run("CREATE TABLE t(a)");
    files_.emplace(source_);
  }
  ProvenCopy run(StrategyChooser& chooser) { return run(chooser, context_.context); }
  ProvenCopy run(StrategyChooser& chooser, RunContext& context) {
    log_ = {};
    return run_attempts(chooser, *files_, image_, options_, context, log_);
  }
  void preview(StrategyChooser& chooser) {
    preview_attempts(chooser, *files_, probe_source(*files_), options_, context_.context);
  }

  kit::TemporaryDirectory directory_;
  kit::TemporaryDirectory staging_;
  std::string source_ = directory_.file("source.db");
  std::optional<LiveFiles> files_;
  StagedImage image_{staging_.path()};
  CopyOptions options_;
  test::TestContext context_;
  AttemptLog log_;
};

const Evidence kGood{.verdict = Verdict::proven, .mover = "range"};

TEST_F(Attempts, OneThatSucceedsIsEnough) {
  ScriptedStrategy strategy("lock", {returns(kGood)});
  const ProvenCopy copy = run(strategy);
  EXPECT_EQ(copy.evidence.verdict, Verdict::proven);
  EXPECT_EQ(copy.strategy, "lock+range");
  EXPECT_EQ(log_.attempts, 1U);
  EXPECT_TRUE(log_.decisions.empty()) << "it was asked for by name";
}

TEST_F(Attempts, AMoverAloneGivesItsNameAndASpecIsNotDoubled) {
  ScriptedStrategy alone("bare", {returns(kGood)});
  alone.traits_of_it.is_mover = true;
  EXPECT_EQ(run(alone).strategy, "range");
  ScriptedStrategy spec("lock+range", {returns(kGood)});
  EXPECT_EQ(run(spec).strategy, "lock+range");
  ScriptedStrategy without("online", {returns({.verdict = Verdict::snapshot})});
  EXPECT_EQ(run(without).strategy, "online");
}

// Evidence of an attempt that was discarded belongs to another copy.
TEST_F(Attempts, NothingOfADiscardedAttemptIsInTheEvidence) {
  const Evidence refused{.verdict = Verdict::at_rest,
                         .mover = "plain",
                         .wal = WalPosition{.frames = 7},
                         .assumptions = {{AssumptionKind::journals_here, "it journals here"}},
                         .warnings = {"of the first attempt"}};
  options_.allow_assumptions = false;
  ScriptedStrategy strategy("lock", {returns(refused), returns(kGood)}, {.attempts = 2});
  const ProvenCopy copy = run(strategy);
  EXPECT_EQ(copy.evidence.verdict, Verdict::proven);
  EXPECT_EQ(copy.evidence.mover, "range");
  EXPECT_FALSE(copy.evidence.wal);
  EXPECT_TRUE(copy.evidence.assumptions.empty());
  EXPECT_TRUE(copy.evidence.warnings.empty());
  EXPECT_EQ(strategy.failures, std::vector{Errc::assumption_refused});
}

TEST_F(Attempts, WhatMayStillSucceedIsAColumnOfTheErrorTable) {
  for (const ErrcInfo& info : errc_table()) {
    ScriptedStrategy strategy("lock", {fails(info.code), returns(kGood)}, {.attempts = 2});
    const std::optional<Errc> code = code_of([&] { run(strategy); });
    const bool again = info.retry == Retry::same_strategy;
    EXPECT_EQ(code, again ? std::nullopt : std::optional(info.code)) << info.name;
    ScriptedStrategy first("first", {fails(info.code)});
    ScriptedStrategy second("second", {returns(kGood)});
    ScriptedChooser chooser({&first, &second});
    EXPECT_EQ(code_of([&] { run(chooser); }) == std::nullopt, info.retry != Retry::no) << info.name;
  }
}

TEST_F(Attempts, EndWithThePolicy) {
  ScriptedStrategy strategy("lock", {fails(Errc::source_changed)}, {.attempts = 4});
  EXPECT_EQ(code_of([&] { run(strategy); }), Errc::source_changed);
  EXPECT_EQ(log_.attempts, 4U);
  EXPECT_EQ(strategy.series, 1U);
}

TEST_F(Attempts, EndWhereTheStrategySeesNoUse) {
  ScriptedStrategy strategy("lock", {fails(Errc::source_changed)}, {.attempts = 4});
  strategy.next = {.may_succeed = false, .hint = "pause the writer"};
  const auto error = error_of([&] { run(strategy); });
  ASSERT_TRUE(error);
  EXPECT_EQ(log_.attempts, 1U);
  EXPECT_EQ(error->hint(), "pause the writer");
}

TEST_F(Attempts, OfALockedSourceDoNotCountForAWhile) {
  std::vector<Part> parts(9, fails(Errc::source_busy));
  parts.push_back(returns(kGood));
  ScriptedStrategy strategy("lock", parts, {.attempts = 2, .busy_patience = 1h});
  EXPECT_EQ(run(strategy).evidence.verdict, Verdict::proven);
  EXPECT_EQ(log_.attempts, 10U);
  ScriptedStrategy impatient("lock", parts, {.attempts = 2});
  EXPECT_EQ(code_of([&] { run(impatient); }), Errc::source_busy);
  EXPECT_EQ(log_.attempts, 2U);
}

TEST_F(Attempts, AreDiscardedBetweenStrategies) {
  const Part leaves = [](StagedImage& image, RunContext&) -> Evidence {
    write_all(image.main_fd(), std::as_bytes(std::span("rubbish", 7)), 0, "image");
    throw Error(Errc::source_changed, "it moved");
  };
  bool is_clean = false;
  const Part looks = [&](StagedImage& image, RunContext&) {
    is_clean = !stat_path(image.main_path());
    return kGood;
  };
  ScriptedStrategy first("first", {leaves});
  ScriptedStrategy second("second", {looks});
  ScriptedChooser chooser({&first, &second});
  run(chooser);
  EXPECT_TRUE(is_clean);
  EXPECT_EQ(log_.decisions, (std::vector<std::string>{"first: because", "second: because"}));
}

TEST_F(Attempts, OfSeveralStrategiesTheErrorSaysWhatTheyWereSpentOn) {
  ScriptedStrategy first("first", {fails(Errc::source_changed, "it moved")});
  ScriptedStrategy second("second", {fails(Errc::unsuitable, "it has no WAL")});
  ScriptedChooser chooser({&first, &second}, 3);
  const auto error = error_of([&] { run(chooser); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Errc::unsuitable);
  const std::string text = error->what();
  EXPECT_EQ(text.rfind("gave up on '" + source_ + "' after 3 rounds in ", 0), 0U) << text;
  EXPECT_NE(text.find("it has no WAL"), std::string::npos);
  EXPECT_EQ(log_.attempts, 6U);
  EXPECT_EQ(first.series, 3U);
}

TEST_F(Attempts, ASourceAtRestThatSuitsNoStrategyIsTriedOnce) {
  ScriptedStrategy first("first", {fails(Errc::unsuitable, "it has no WAL")});
  ScriptedStrategy second("second", {fails(Errc::unsuitable, "it has a hot journal")});
  ScriptedChooser chooser({&first, &second}, 3);
  const auto error = error_of([&] { run(chooser); });
  ASSERT_TRUE(error);
  EXPECT_STREQ(error->what(), "it has a hot journal");
  EXPECT_EQ(log_.attempts, 2U);
}

TEST_F(Attempts, ALockingStrategyThatUsedUpTheBudgetIsNotRetried) {
  ScriptedStrategy locking("locking", {fails(Errc::lock_budget_exceeded)});
  locking.traits_of_it.takes_locks = true;
  ScriptedStrategy other("other", {fails(Errc::source_changed), returns(kGood)});
  ScriptedChooser chooser({&locking, &other}, 2);
  EXPECT_EQ(run(chooser).strategy, "other+range");
  EXPECT_EQ(locking.attempts, 1U);
}

// ---- Assumptions.

const Evidence kAssumed{
    .verdict = Verdict::at_rest,
    .assumptions = {{AssumptionKind::these_files, "every program that uses it uses these files"}}};

TEST_F(Attempts, WhatRestsOnAnAssumptionSaysSo) {
  ScriptedStrategy strategy("lock", {returns(kAssumed)});
  const ProvenCopy copy = run(strategy);
  EXPECT_EQ(copy.evidence.verdict, Verdict::assumed);
  EXPECT_EQ(copy.evidence.assumptions, kAssumed.assumptions);
}

TEST_F(Attempts, AnAssumptionIsRefusedWhereTheUserIsStrict) {
  options_.allow_assumptions = false;
  ScriptedStrategy strategy("lock", {returns(kAssumed)}, {.attempts = 2});
  const auto error = error_of([&] { run(strategy); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Errc::assumption_refused);
  EXPECT_EQ(errc_info(error->code()).exit_code, 4);
  EXPECT_NE(std::string(error->what()).find(kAssumed.assumptions[0].sentence), std::string::npos);
  EXPECT_NE(error->hint().find("--assume these-files"), std::string_view::npos);
  EXPECT_EQ(log_.attempts, 2U) << "another attempt may see what this one had to assume";
}

TEST_F(Attempts, AnAssumptionThatTheUserVouchesForIsAccepted) {
  options_.allow_assumptions = false;
  options_.assume = {AssumptionKind::these_files};
  ScriptedStrategy strategy("lock", {returns(kAssumed)});
  EXPECT_EQ(run(strategy).evidence.verdict, Verdict::assumed);
  options_.assume = {AssumptionKind::one_kernel};
  EXPECT_EQ(code_of([&] { run(strategy); }), Errc::assumption_refused) << "but no other";
}

// ---- What is said of them before.

TEST_F(Attempts, APreviewThrowsWhatTheyWouldEndWith) {
  ScriptedStrategy strategy("lock", {returns(kGood)});
  EXPECT_EQ(code_of([&] { preview(strategy); }), std::nullopt);
  strategy.foreseen = fails(Errc::frames_without_checksum);
  EXPECT_EQ(code_of([&] { preview(strategy); }), Errc::frames_without_checksum);
  EXPECT_EQ(strategy.attempts, 0U);
}

TEST_F(Attempts, APreviewOfAnUnprovenCopyThrowsWhatWouldStopThat) {
  ScriptedStrategy last("plain", {returns(kGood)});
  ScriptedStrategy strategy("lock", {returns(kGood)});
  strategy.last_resort = &last;
  for (const Errc code : {Errc::source_busy, Errc::frames_without_checksum, Errc::unsuitable,
                          Errc::damaged, Errc::unsupported_file_system}) {
    strategy.foreseen = fails(code);
    options_.allow_unproven = false;
    EXPECT_EQ(code_of([&] { preview(strategy); }), code);
    options_.allow_unproven = true;
    const bool is_stopped = code == Errc::unsuitable || code == Errc::damaged;
    EXPECT_EQ(code_of([&] { preview(strategy); }), is_stopped ? std::optional(code) : std::nullopt);
  }
}

TEST_F(Attempts, APreviewRefusesAnAssumptionAsTheyDo) {
  ScriptedStrategy strategy("online", {returns(kAssumed)});
  strategy.foreseen = returns(kAssumed);
  EXPECT_EQ(code_of([&] { preview(strategy); }), std::nullopt);
  options_.allow_assumptions = false;
  const auto foreseen = error_of([&] { preview(strategy); });
  const auto seen = error_of([&] { run(strategy); });
  ASSERT_TRUE(foreseen && seen);
  EXPECT_STREQ(foreseen->what(), seen->what());
  EXPECT_EQ(foreseen->hint(), seen->hint());
  options_.assume = {AssumptionKind::these_files};
  EXPECT_EQ(code_of([&] { preview(strategy); }), std::nullopt);
}

// ---- Time.

TEST_F(Attempts, TheDeadlineIsThatOfTheRun) {
  const Part waits = [](StagedImage&, RunContext& context) -> Evidence {
    context.sleep_for(1h);
    return {};
  };
  test::TestContext late({.deadline = Deadline::after(20ms)});
  ScriptedStrategy strategy("lock", {waits}, {.attempts = 100});
  EXPECT_EQ(code_of([&] { run(strategy, late.context); }), Errc::deadline_exceeded);
  test::TestContext later({.deadline = Deadline::after(20ms)});
  ScriptedStrategy busy("lock", {fails(Errc::source_busy, "it is locked"), waits},
                        {.attempts = 100});
  const auto error = error_of([&] { run(busy, later.context); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Errc::source_busy) << "what the time was spent on says more";
}

TEST_F(Attempts, ACancelIsHeardBetweenThem) {
  ScriptedStrategy strategy("lock", {[&](StagedImage&, RunContext&) -> Evidence {
                              context_.cancel.request();
                              throw Error(Errc::source_busy, "it is locked");
                            }},
                            {.attempts = 100, .busy_patience = 1h});
  EXPECT_EQ(code_of([&] { run(strategy); }), Errc::interrupted);
}

// ---- Unproven copies.

TEST_F(Attempts, AnUnprovenCopyIsMadeOnlyWhereTheUserAllowsIt) {
  ScriptedStrategy last("last", {returns({.verdict = Verdict::unproven, .mover = "plain"})});
  last.traits_of_it.is_mover = true;
  ScriptedStrategy strategy("lock", {fails(Errc::source_changed, "it moved")});
  strategy.last_resort = &last;
  EXPECT_EQ(code_of([&] { run(strategy); }), Errc::source_changed);
  options_.allow_unproven = true;
  const ProvenCopy copy = run(strategy);
  EXPECT_EQ(copy.evidence.verdict, Verdict::unproven);
  EXPECT_EQ(copy.strategy, "plain");
  ASSERT_EQ(copy.evidence.warnings.size(), 1U);
  EXPECT_EQ(copy.evidence.warnings[0], "this copy may be torn or stale: it moved");
  strategy.last_resort = nullptr;
  EXPECT_EQ(code_of([&] { run(strategy); }), Errc::source_changed) << "this one makes none";
}

TEST_F(Attempts, WhatNoAttemptCouldCopyIsNotCopiedUnproven) {
  ScriptedStrategy last("last", {returns({.verdict = Verdict::unproven})});
  options_.allow_unproven = true;
  for (const Errc code : {Errc::unsuitable, Errc::no_space, Errc::damaged}) {
    ScriptedStrategy strategy("lock", {fails(code)});
    strategy.last_resort = &last;
    EXPECT_EQ(code_of([&] { run(strategy); }), code);
  }
  EXPECT_EQ(last.attempts, 0U);
}

// The attempts leave time for the copy that nothing proves.
TEST_F(Attempts, AnUnprovenCopyIsMadeWithinTheDeadlineOfTheRun) {
  options_.allow_unproven = true;
  const Part waits = [](StagedImage&, RunContext& context) -> Evidence {
    context.sleep_for(1h);
    return {};
  };
  std::optional<std::chrono::milliseconds> left;
  ScriptedStrategy last("last", {[&](StagedImage&, RunContext& context) {
                          left = context.deadline().left();
                          return Evidence{.verdict = Verdict::unproven};
                        }});
  ScriptedStrategy strategy("lock", {waits});
  strategy.last_resort = &last;
  test::TestContext limited({.deadline = Deadline::after(10s)});
  RunContext soon = limited.context.until(Deadline::after(400ms));
  EXPECT_EQ(run(strategy, soon).evidence.verdict, Verdict::unproven);
  ASSERT_TRUE(left);
  EXPECT_LE(*left, 200ms);
}

TEST_F(Attempts, AnUnprovenCopyIsNotMadeAfterTheDeadlineOfTheRun) {
  options_.allow_unproven = true;
  ScriptedStrategy last("last", {[](StagedImage&, RunContext& context) {
                          context.sleep_for(1h);
                          return Evidence{.verdict = Verdict::unproven};
                        }});
  ScriptedStrategy strategy("lock", {fails(Errc::source_changed)});
  strategy.last_resort = &last;
  RunContext soon = context_.context.until(Deadline::after(20ms));
  EXPECT_EQ(code_of([&] { run(strategy, soon); }), Errc::deadline_exceeded);
}

}  // namespace
}  // namespace sqlbk
