// A plug-in's movers inside the strategies: honest ones make good copies, all others end the run.
#include <chrono>

#include <gtest/gtest.h>

#include "../support/files.hpp"
#include "kit/checker.hpp"
#include "kit/writer_process.hpp"
#include "plugin_run.hpp"

namespace sqlbk {
namespace {

using test::Outcome;
using test::PluginRun;
using test::run;

// Every spec of the mover, with that of libcopy's plain mover in its place.
struct Pair {
  std::string spec;
  std::string of_plain;
};

std::vector<Pair> specs_of(const Registry& registry, const std::string& mover) {
  std::vector<Pair> specs;
  for (const StrategyEntry& entry : registry.strategies()) {
    if (entry.spec != mover && !entry.spec.ends_with("+" + mover)) continue;
    specs.push_back({entry.spec, entry.spec.substr(0, entry.spec.size() - mover.size()) + "plain"});
  }
  return specs;
}

// A copy of `source` by each spec of `mover` is as good as one by the plain mover.
void expect_same_as_plain(const Registry& registry, const std::string& mover,
                          const kit::Corpus& source, std::size_t least) {
  std::size_t good = 0;
  for (const auto& [spec, of_plain] : specs_of(registry, mover)) {
    const kit::TemporaryDirectory directory;
    CopyRequest request;
    request.source = source.path;
    request.strategy = of_plain;
    request.destination = directory.file("plain.db");
    const Outcome plain = run(registry, request);
    request.strategy = spec;
    request.destination = directory.file("copy.db");
    const Outcome outcome = run(registry, request);
    ASSERT_EQ(outcome.error.has_value(), plain.error.has_value())
        << spec << ": " << outcome.explain() << "\nplain: " << plain.explain();
    if (outcome.error) {
      EXPECT_EQ(outcome.error->code(), plain.error->code()) << spec;
      continue;
    }
    ++good;
    EXPECT_EQ(outcome.report.strategy, spec);
    EXPECT_EQ(outcome.report.verdict, plain.report.verdict) << spec;
    EXPECT_EQ(outcome.report.moved_bytes, plain.report.moved_bytes) << spec;
    const kit::CheckResult result = kit::check_copy(request.destination, source.committed);
    EXPECT_TRUE(result.good()) << spec << ": " << result.explain();
    EXPECT_EQ(test::read_file(request.destination), test::read_file(directory.file("plain.db")));
  }
  EXPECT_GE(good, least);
}

TEST(PluginMover, CopiesADatabaseAtRestByEveryWrapper) {
  const kit::TemporaryDirectory directory;
  const kit::Corpus source =
      kit::make_corpus(directory.file("app.db"),
                       {.database = {.size_mb = 3, .journal_mode = kit::JournalMode::delete_file}});
  expect_same_as_plain(test::registry_with(test::example_file()), "example", source, 2);
  expect_same_as_plain(test::registry_with(test::liar_file()), "honest", source, 2);
}

TEST(PluginMover, CopiesADatabaseWithAWalByEveryWrapper) {
  const kit::TemporaryDirectory directory;
  const kit::Corpus source =
      kit::make_corpus(directory.file("app.db"), {.database = {.size_mb = 2}, .wal_mb = 1});
  expect_same_as_plain(test::registry_with(test::example_file()), "example", source, 1);
  expect_same_as_plain(test::registry_with(test::liar_file()), "piecewise", source, 1);
}

TEST(PluginMover, CopiesUnderALiveWriterByEveryWrapperThatCan) {
  const kit::TemporaryDirectory directory;
  const std::string source = directory.file("app.db");
  kit::create_database(source, {.size_mb = 2});
  kit::LiveWriterOptions options;
  options.database = source;
  kit::WriterProcess writer(options);
  const Registry registry = test::registry_with(test::example_file());
  std::size_t copies = 0;
  for (const auto& [spec, of_plain] : specs_of(registry, "example")) {
    if (!registry.strategy(spec)->traits().handles_live_writer) continue;
    CopyRequest request;
    request.source = source;
    request.destination = directory.file(std::to_string(copies) + ".db");
    request.strategy = spec;
    const kit::Committed before = writer.committed();
    const Outcome outcome = run(registry, request);
    ASSERT_FALSE(outcome.error) << spec << ": " << outcome.explain();
    const kit::CheckResult result = kit::check_copy(request.destination, std::span(&before, 1));
    EXPECT_TRUE(result.good()) << spec << ": " << result.explain();
    EXPECT_EQ(outcome.report.strategy, spec);
    ++copies;
  }
  EXPECT_GE(copies, 1U);
  EXPECT_EQ(writer.stop().other_errors, 0U);
}

TEST_F(PluginRun, AMoverThatAnswersUnsupportedMakesTheStrategyUnsuitable) {
  const Outcome outcome = run(test::registry_with(test::liar_file()), request("unsupported"));
  ASSERT_TRUE(outcome.error) << outcome.explain();
  EXPECT_EQ(outcome.error->code(), Errc::unsuitable);
}

struct Broken {
  const char* mover;
  Errc code;
  const char* message;
};

class BrokenMover : public PluginRun, public ::testing::WithParamInterface<Broken> {};

TEST_P(BrokenMover, EndsTheRun) {
  const test::Buffer before = test::read_file(source().path);
  const Registry registry = test::registry_with(test::liar_file());
  for (const std::string wrapper : {"", "snapshot+"}) {
    const Outcome outcome = run(registry, request(wrapper + GetParam().mover));
    ASSERT_TRUE(outcome.error) << wrapper << ": " << outcome.explain();
    EXPECT_EQ(outcome.error->code(), GetParam().code) << outcome.explain();
    const std::string message = outcome.error->what();
    EXPECT_NE(message.find(GetParam().message), std::string::npos) << message;
    EXPECT_NE(message.find("the mover " + sqlbk::quoted(GetParam().mover) + " of the plug-in " +
                           sqlbk::quoted(test::liar_file())),
              std::string::npos)
        << message;
    EXPECT_EQ(test::names_in(copies()), std::vector<std::string>());
  }
  EXPECT_EQ(test::read_file(source().path), before);
}

INSTANTIATE_TEST_SUITE_P(
    PluginMover, BrokenMover,
    ::testing::Values(
        Broken{"says_more", Errc::io_error, " bytes of "},
        Broken{"writes_nothing", Errc::io_error, "which the output does not hold"},
        Broken{"writes_behind", Errc::io_error, "it wrote behind the range"},
        Broken{"stops_early", Errc::io_error, "it stopped before the end of the input"},
        Broken{"gives_up_late", Errc::io_error, "'unsupported' after it had moved bytes"},
        Broken{"gives_up_counted", Errc::io_error, "'unsupported' after it had moved bytes"},
        Broken{"gives_up_the_rest", Errc::io_error, "'unsupported' after it had moved bytes"},
        Broken{"fails", Errc::no_space, "the shelf is full"},
        Broken{"fails_silently", Errc::io_error, "Input/output error"},
        Broken{"throws", Errc::io_error, "an exception left it: thrown by a mover"},
        Broken{"throws_a_number", Errc::io_error, "an exception left it"},
        Broken{"nonsense", Errc::io_error, "it answered 42, which means nothing"},
        Broken{"swaps_output", Errc::io_error, "it closed a descriptor that it had borrowed"}),
    [](const ::testing::TestParamInfo<Broken>& test) { return std::string(test.param.mover); });

TEST_F(PluginRun, AMoverIsToldToStopAndTheRunEndsWhateverItAnswers) {
  std::vector<std::string> told;
  const Outcome outcome = run(test::registry_with(test::liar_file()), request("deaf"),
                              [&](test::RunState& state, LogLevel, const std::string& message) {
                                if (message.ends_with("before the ticks")) state.cancel.request();
                                if (message.find("told") != std::string::npos)
                                  told.push_back(message);
                              });
  ASSERT_TRUE(outcome.error) << outcome.explain();
  EXPECT_EQ(outcome.error->code(), Errc::interrupted);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_TRUE(told[0].ends_with("told 1 1")) << told[0];
  EXPECT_EQ(test::names_in(copies()), std::vector<std::string>());
}

TEST_F(PluginRun, AMoverCannotCountMoreThanItWasAskedToMove) {
  std::vector<std::uint64_t> counted;
  const Outcome outcome = run(test::registry_with(test::liar_file()), request("boasts"),
                              [&](test::RunState& state, LogLevel, const std::string& message) {
                                if (message.ends_with("counted"))
                                  counted.push_back(state.progress.done_bytes);
                              });
  EXPECT_FALSE(outcome.error) << outcome.explain();
  EXPECT_EQ(counted, std::vector<std::uint64_t>{source().main_bytes});
}

TEST_F(PluginRun, WhatAMoverLogsIsOneLineAndNamesIt) {
  std::vector<std::string> lines;
  const Outcome outcome = run(test::registry_with(test::liar_file()), request("honest"),
                              [&](test::RunState&, LogLevel level, const std::string& message) {
                                if (level == LogLevel::warning) lines.push_back(message);
                              });
  EXPECT_FALSE(outcome.error) << outcome.explain();
  EXPECT_EQ(lines, std::vector<std::string>{"the mover 'honest' of the plug-in " +
                                            sqlbk::quoted(test::liar_file()) + ": two lines "});
}

}  // namespace
}  // namespace sqlbk
