// A plug-in's steps in the pipeline: their verdicts, and that a broken promise ends the run.
#include <gtest/gtest.h>

#include "../support/errors.hpp"
#include "../support/files.hpp"
#include "kit/checker.hpp"
#include "plugin_run.hpp"

namespace sqlbk {
namespace {

using test::error_of;
using test::Outcome;
using test::PluginRun;
using test::run;

class PluginStepRun : public PluginRun {
 protected:
  Outcome run_step(const std::string& step) {
    return run(test::registry_with(test::liar_file()), request("plain", {step}));
  }
  void expect_copy() {
    EXPECT_EQ(test::names_in(copies()), std::vector<std::string>{"copy.db"});
    const kit::CheckResult result = kit::check_copy(copy_path());
    EXPECT_TRUE(result.good()) << result.explain();
  }
  void expect_nothing() { EXPECT_EQ(test::names_in(copies()), std::vector<std::string>()); }
};

void expect_step(const Outcome& outcome, const std::string& name, StepVerdict verdict,
                 const std::vector<std::string>& findings) {
  ASSERT_EQ(outcome.report.steps.size(), 1U) << outcome.explain();
  EXPECT_EQ(outcome.report.steps[0].name, name);
  EXPECT_EQ(outcome.report.steps[0].verdict, verdict);
  EXPECT_EQ(outcome.report.steps[0].findings, findings);
}

TEST_F(PluginStepRun, OkIsPublished) {
  const Outcome outcome = run_step("sound");
  EXPECT_FALSE(outcome.error) << outcome.explain();
  expect_step(outcome, "sound", StepVerdict::ok, {"argument []"});
  expect_copy();
}

TEST_F(PluginStepRun, GetsItsArgument) {
  const Outcome outcome = run_step("sound=7=x y");
  EXPECT_FALSE(outcome.error) << outcome.explain();
  expect_step(outcome, "sound=7=x y", StepVerdict::ok, {"argument [7=x y]"});
}

TEST_F(PluginStepRun, SkippedIsPublishedAndHasAReason) {
  const Outcome outcome = run_step("skipped");
  EXPECT_FALSE(outcome.error) << outcome.explain();
  expect_step(outcome, "skipped", StepVerdict::skipped, {"it gave no reason"});
  expect_copy();
}

TEST_F(PluginStepRun, DamagedIsNotPublished) {
  const Outcome outcome = run_step("damaged");
  ASSERT_TRUE(outcome.error) << outcome.explain();
  EXPECT_EQ(outcome.error->code(), Errc::damaged);
  EXPECT_NE(std::string(outcome.error->what()).find("page 7 is upside down"), std::string::npos);
  expect_step(outcome, "damaged", StepVerdict::damaged, {"page 7 is upside down", "page 8, too"});
  expect_nothing();
}

TEST_F(PluginStepRun, DamagedWithoutAReasonIsNotPublishedEither) {
  const Outcome outcome = run_step("damaged_silently");
  ASSERT_TRUE(outcome.error) << outcome.explain();
  EXPECT_EQ(outcome.error->code(), Errc::damaged);
  expect_step(outcome, "damaged_silently", StepVerdict::damaged, {"it gave no reason"});
  expect_nothing();
}

TEST_F(PluginStepRun, CouldNotCheckIsNotPublished) {
  const Outcome outcome = run_step("unchecked");
  ASSERT_TRUE(outcome.error) << outcome.explain();
  EXPECT_EQ(errc_info(outcome.error->code()).exit_code, 1);
  expect_step(outcome, "unchecked", StepVerdict::could_not_check, {"the lamp is broken"});
  expect_nothing();
}

TEST_F(PluginStepRun, MayChangeTheCopyWhereItSaysSo) {
  const Outcome outcome = run_step("sets_version");
  EXPECT_FALSE(outcome.error) << outcome.explain();
  expect_copy();
  EXPECT_EQ(test::read_file(copy_path())[63], std::byte{42});
  EXPECT_EQ(test::read_file(source().path)[63], std::byte{0});
}

TEST_F(PluginStepRun, LeavesNothingOfAClosedConnectionBeside) {
  const Outcome outcome = run_step("leaves_rubbish");
  EXPECT_FALSE(outcome.error) << outcome.explain();
  expect_copy();
}

struct Broken {
  const char* step;
  const char* message;
};

class BrokenStep : public PluginStepRun, public ::testing::WithParamInterface<Broken> {};

TEST_P(BrokenStep, EndsTheRun) {
  const test::Buffer before = test::read_file(source().path);
  const Outcome outcome = run_step(GetParam().step);
  ASSERT_TRUE(outcome.error) << outcome.explain();
  EXPECT_EQ(outcome.error->code(), Errc::io_error);
  const std::string message = outcome.error->what();
  EXPECT_NE(message.find("the step " + sqlbk::quoted(GetParam().step) + " of the plug-in " +
                         sqlbk::quoted(test::liar_file()) + " broke its promise: "),
            std::string::npos)
      << message;
  EXPECT_NE(message.find(GetParam().message), std::string::npos) << message;
  EXPECT_NE(outcome.error->hint().find("plug-in"), std::string_view::npos);
  EXPECT_TRUE(outcome.report.steps.empty());
  expect_nothing();
  EXPECT_EQ(test::read_file(source().path), before);
}

INSTANTIATE_TEST_SUITE_P(
    PluginStep, BrokenStep,
    ::testing::Values(Broken{"bad_answer", "it answered -1, which means nothing"},
                      Broken{"throws", "an exception left it: thrown by a step"},
                      Broken{"appends", "it changed the copy"},
                      Broken{"leaves_wal", "it left a -wal file"},
                      Broken{"leaves_journal", "it left a -journal file"},
                      Broken{"removes_main", "was removed or replaced"},
                      Broken{"replaces_main", "was removed or replaced"}),
    [](const ::testing::TestParamInfo<Broken>& test) { return std::string(test.param.step); });

TEST(PluginStep, ArgumentsAreCheckedBeforeAnyFileIsTouched) {
  const Registry registry = test::registry_with(test::liar_file());
  EXPECT_EQ(registry.step("takes_yes=yes")->name(), "takes_yes=yes");
  const auto make = [&](const std::string& spec) {
    return error_of([&] { static_cast<void>(registry.step(spec)); });
  };
  for (const std::string spec : {"takes_yes", "takes_yes=no"}) {
    const std::optional<Error> error = make(spec);
    ASSERT_TRUE(error) << spec;
    EXPECT_EQ(error->code(), Errc::usage);
    EXPECT_NE(std::string(error->what()).find("only yes will do"), std::string::npos);
    EXPECT_EQ(error->hint(), "it has the form yes");
  }
  const std::optional<Error> thrown = make("takes_yes=throw");
  ASSERT_TRUE(thrown);
  EXPECT_NE(std::string(thrown->what()).find("thrown by a check"), std::string::npos);
  const std::optional<Error> none = make("damaged=5");
  ASSERT_TRUE(none);
  EXPECT_EQ(none->code(), Errc::usage);
}

// The next step starts from the image alone.
TEST(PluginStep, LeavesOnlyTheImageForTheNextOne) {
  const Registry registry = test::registry_with(test::liar_file());
  const kit::TemporaryDirectory directory;
  StagedImage image(directory.path());
  test::write_file(image.main_path(), test::Buffer(512));
  Progress progress;
  const CancelToken cancel;
  RunContext context(progress, cancel);
  const StepReport report = registry.step("leaves_rubbish")->run(image, context);
  EXPECT_EQ(report.verdict, StepVerdict::ok);
  EXPECT_EQ(test::names_in(directory.path()), std::vector<std::string>{"copy.db"});
}

TEST(PluginStep, HasTheTraitsThatItSays) {
  const Registry registry = test::registry_with(test::liar_file());
  EXPECT_TRUE(registry.step("sets_version")->traits().changes_image);
  EXPECT_TRUE(registry.step("sets_version")->traits().reads_content);
  EXPECT_TRUE(registry.step("sound")->traits().reads_content);
  EXPECT_FALSE(registry.step("sound")->traits().changes_image);
  EXPECT_FALSE(registry.step("damaged")->traits().reads_content);
}

}  // namespace
}  // namespace sqlbk
