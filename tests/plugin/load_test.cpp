// What is refused when a plug-in is loaded, and that it says why; and that the binary interface
// stays what it is.
#include <cstddef>
#include <cstdlib>
#include <type_traits>

#include <gtest/gtest.h>

#include "../support/errors.hpp"
#include "../support/files.hpp"
#include "plugin_run.hpp"

namespace sqlbk {
namespace {

using test::error_of;
using test::odd_file;

// Every member where version 1 has it: plug-ins that were built long ago count on it. New members
// only behind the last one.
#if defined(__LP64__)
static_assert(offsetof(sqlbk_host, abi) == 4 && offsetof(sqlbk_host, context) == 8 &&
              offsetof(sqlbk_host, tick) == 16 && offsetof(sqlbk_host, log) == 24 &&
              offsetof(sqlbk_host, finding) == 32 && sizeof(sqlbk_host) == 40);
static_assert(offsetof(sqlbk_move_job, in_fd) == 4 && offsetof(sqlbk_move_job, out_fd) == 8 &&
              offsetof(sqlbk_move_job, offset_bytes) == 16 &&
              offsetof(sqlbk_move_job, length_bytes) == 24 && sizeof(sqlbk_move_job) == 32);
static_assert(offsetof(sqlbk_moved, os_errno) == 4 && offsetof(sqlbk_moved, bytes) == 8 &&
              sizeof(sqlbk_moved) == 16);
static_assert(offsetof(sqlbk_mover, traits) == 4 && offsetof(sqlbk_mover, name) == 8 &&
              offsetof(sqlbk_mover, summary) == 16 && offsetof(sqlbk_mover, move) == 24 &&
              sizeof(sqlbk_mover) == 32);
static_assert(offsetof(sqlbk_step_job, main_path) == 8 &&
              offsetof(sqlbk_step_job, argument) == 16 && sizeof(sqlbk_step_job) == 24);
static_assert(offsetof(sqlbk_step, traits) == 4 && offsetof(sqlbk_step, name) == 8 &&
              offsetof(sqlbk_step, summary) == 16 && offsetof(sqlbk_step, argument) == 24 &&
              offsetof(sqlbk_step, check_argument) == 32 && offsetof(sqlbk_step, run) == 40 &&
              sizeof(sqlbk_step) == 48);
static_assert(offsetof(sqlbk_plugin, abi) == 4 && offsetof(sqlbk_plugin, name) == 8 &&
              offsetof(sqlbk_plugin, version) == 16 && offsetof(sqlbk_plugin, mover_count) == 24 &&
              offsetof(sqlbk_plugin, step_count) == 28 && offsetof(sqlbk_plugin, movers) == 32 &&
              offsetof(sqlbk_plugin, steps) == 40 && sizeof(sqlbk_plugin) == 48);
#endif
static_assert(SQLBK_PLUGIN_ABI == 1 && SQLBK_MOVE_DONE == 0 && SQLBK_MOVE_UNSUPPORTED == 1 &&
              SQLBK_MOVE_FAILED == 2 && SQLBK_STEP_OK == 0 && SQLBK_STEP_DAMAGED == 1 &&
              SQLBK_STEP_COULD_NOT_CHECK == 2 && SQLBK_STEP_SKIPPED == 3);
static_assert(SQLBK_MOVER_SHARES_EXTENTS == 1 && SQLBK_STEP_CHANGES_IMAGE == 1 &&
              SQLBK_STEP_READS_CONTENT == 2);
static_assert(std::is_same_v<decltype(&sqlbk_plugin_entry_v1), sqlbk_plugin_entry_v1_fn>);

// The odd plug-in as it is described under this name (odd_plugin.cpp).
class Odd {
 public:
  explicit Odd(const char* name) { ::setenv("SQLBK_ODD", name, 1); }
  Odd(const Odd&) = delete;
  Odd& operator=(const Odd&) = delete;
  ~Odd() { ::unsetenv("SQLBK_ODD"); }
};

void expect_refused(const std::optional<Error>& error, const std::string& path,
                    const std::string& reason) {
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Errc::usage);
  EXPECT_NE(std::string(error->what()).find(sqlbk::quoted(path)), std::string::npos)
      << error->what();
  EXPECT_NE(std::string(error->what()).find(reason), std::string::npos) << error->what();
  EXPECT_FALSE(error->hint().empty());
}

TEST(LoadPlugin, ReadsWhatItSaysOfItself) {
  const Odd odd("");
  const Plugin plugin = load_plugin(odd_file());
  EXPECT_EQ(plugin.path, odd_file());
  EXPECT_EQ(plugin.name, "odd");
  EXPECT_EQ(plugin.version, "0.1");
  ASSERT_EQ(plugin.movers.size(), 2U);
  EXPECT_EQ(plugin.movers[0].name, "odd");
  EXPECT_EQ(plugin.movers[1].name, "odd-2");
  EXPECT_EQ(plugin.movers[1].summary, "moves nothing");
  EXPECT_TRUE(plugin.movers[1].shares_extents);
  ASSERT_EQ(plugin.steps.size(), 2U);
  EXPECT_EQ(plugin.steps[0].name, "odd_step");
  EXPECT_EQ(plugin.steps[0].summary, "does nothing");
  EXPECT_EQ(plugin.steps[0].argument, "");
  EXPECT_TRUE(plugin.steps[0].traits.changes_image);
  EXPECT_FALSE(plugin.steps[0].traits.reads_content);
}

TEST(LoadPlugin, AcceptsWhatVersionOneAllows) {
  for (const char* name : {"grown", "movers-only", "mover-name-32", "host-is-bad"}) {
    const Odd odd(name);
    EXPECT_EQ(load_plugin(odd_file()).name, "odd") << name;
  }
}

struct Case {
  const char* odd;
  const char* reason;
};

class Refused : public ::testing::TestWithParam<Case> {};

TEST_P(Refused, WithTheReason) {
  const Odd odd(GetParam().odd);
  expect_refused(error_of([] { static_cast<void>(load_plugin(odd_file())); }), odd_file(),
                 GetParam().reason);
}

INSTANTIATE_TEST_SUITE_P(
    LoadPlugin, Refused,
    ::testing::Values(
        Case{"abi-2", "built for version 2 of the binary interface, and this sqlbk has version 1"},
        Case{"abi-0", "built for version 0"}, Case{"size-0", "its description is too small"},
        Case{"size-small", "its description is too small: its size is 47"},
        Case{"mover-size-small", "a mover is too small"},
        Case{"step-size-small", "a step is too small"},
        Case{"no-parts", "neither a mover nor a step"}, Case{"no-name", "the plug-in has no name"},
        Case{"no-version", "the version of the plug-in is missing"},
        Case{"no-mover-list", "its list of movers is broken: 2 parts at NULL"},
        Case{"no-step-list", "its list of steps is broken"},
        Case{"million-movers", "its list of movers is broken: 1000000 parts"},
        Case{"null-mover", "a mover of its list is NULL"},
        Case{"null-step", "a step of its list is NULL"},
        Case{"mover-name-null", "a mover has no name"},
        Case{"mover-name-empty", "a mover has the name ''"},
        Case{"mover-name-plus", "a mover has the name 'snapshot+odd'"},
        Case{"mover-name-capital", "a mover has the name 'Odd'"},
        Case{"mover-name-digit", "a mover has the name '2odd'"},
        Case{"mover-name-33", "a mover has the name 'a23456789012345678901234567890123'"},
        Case{"mover-summary-empty", "the summary of the mover 'odd' is missing"},
        Case{"mover-no-function", "the mover 'odd' has no function move"},
        Case{"mover-traits", "the mover 'odd' has traits that this sqlbk does not know: 128"},
        Case{"step-name-equals", "a step has the name 'a=b'"},
        Case{"step-name-comma", "a step has the name 'a,b'"},
        Case{"step-summary-null", "the summary of the step 'odd_step' is missing"},
        Case{"step-no-function", "the step 'odd_step' has no function run"},
        Case{"step-traits", "the step 'odd_step' has traits that this sqlbk does not know: 4"},
        Case{"movers-alike", "two of its movers have the name 'odd'"},
        Case{"steps-alike", "two of its steps have the name 'odd_step'"},
        Case{"refuses", "it refuses to work here: the moon is full"},
        Case{"refuses-silently", "it refuses to work here"},
        Case{"throws", "an exception left it: thrown by the entry"}),
    [](const ::testing::TestParamInfo<Case>& test) {
      std::string name = test.param.odd;
      std::erase(name, '-');
      return name;
    });

TEST(LoadPlugin, RefusesFilesThatAreNoPlugins) {
  const kit::TemporaryDirectory directory;
  const std::string missing = directory.file("missing.so");
  const std::string text = directory.file("text.so");
  test::write_text(text, "not a library");
  const std::string library = test::file_named_by("SQLBK_NO_ENTRY_PLUGIN");
  const auto load = [](const std::string& path) {
    return error_of([&] { static_cast<void>(load_plugin(path)); });
  };
  expect_refused(load(missing), missing, "there is no such file");
  expect_refused(load(directory.path()), directory.path(), "it is not a file");
  expect_refused(load(text), text, "file too short");
  expect_refused(load(library), library, "exports no sqlbk_plugin_entry_v1()");
  expect_refused(load(""), "", "it is not a file");
}

TEST(LoadPlugin, NeverLooksInTheSystemsDirectories) {
  const auto load = [] { static_cast<void>(load_plugin("libc.so.6")); };
  expect_refused(error_of(load), "libc.so.6", "there is no such file");
}

TEST(RegisterPlugin, AddsABareMoverAndOneOfEveryWrapper) {
  const Odd odd("");
  const Registry registry = test::registry_with(odd_file());
  std::size_t plain = 0;
  std::size_t brought = 0;
  for (const StrategyEntry& entry : registry.strategies()) {
    if (entry.spec == "plain" || entry.spec.ends_with("+plain")) ++plain;
    if (entry.spec == "odd" || entry.spec.ends_with("+odd")) ++brought;
  }
  EXPECT_GE(brought, 2U);
  EXPECT_EQ(brought, plain);
  EXPECT_EQ(registry.strategy("odd")->name(), "odd");
  EXPECT_TRUE(registry.strategy("odd")->traits().is_mover);
  EXPECT_EQ(registry.strategy("snapshot+odd-2")->name(), "snapshot+odd-2");
  EXPECT_TRUE(registry.strategy("snapshot+odd-2")->traits().handles_live_writer);
  EXPECT_EQ(registry.step("odd_step")->name(), "odd_step");
}

TEST(RegisterPlugin, LeavesTheRegistryAloneWhereANameIsTaken) {
  Registry registry = test::builtin_registry();
  const std::size_t strategies = registry.strategies().size();
  const std::size_t steps = registry.steps().size();
  for (const auto& [name, reason] :
       {std::pair{"mover-name-taken", "two strategies of the name 'snapshot+plain'"},
        std::pair{"mover-name-of-wrapper", "two strategies of the name 'snapshot'"}}) {
    const Odd odd(name);
    const Plugin plugin = load_plugin(odd_file());
    expect_refused(error_of([&] { copy::register_plugin_movers(registry, plugin); }), odd_file(),
                   reason);
  }
  const Odd odd("step-name-taken");
  const Plugin plugin = load_plugin(odd_file());
  expect_refused(error_of([&] { register_plugin_steps(registry, plugin); }), odd_file(),
                 "two steps of the name 'integrity_check'");
  EXPECT_EQ(registry.strategies().size(), strategies);
  EXPECT_EQ(registry.steps().size(), steps);
}

TEST(RegisterPlugin, PartsOutliveWhatLoadedThem) {
  const Odd odd("");
  std::unique_ptr<StrategyChooser> strategy;
  {
    const Registry registry = test::registry_with(odd_file());
    strategy = registry.strategy("odd");
  }
  EXPECT_EQ(strategy->name(), "odd");
}

}  // namespace
}  // namespace sqlbk
