// Every strategy that the registry knows, in every cell. No strategy is named here: what each has
// to do follows from its traits (duty_of() in cell.cpp), so that a new one is tested without being
// told.
#include <algorithm>
#include <chrono>
#include <filesystem>

#include <gtest/gtest.h>

#include "cell.hpp"
#include "sqlbk/copy/builtin.hpp"
#include "sqlbk/core/host_thread.hpp"
#include "support/run_copy.hpp"
#include "support/source_files.hpp"

namespace sqlbk::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kLong = 120s;   // for what must succeed
constexpr auto kShort = 60ms;  // for what cannot, or need not

// The registry, and the strategies whose mover works here, once for all tests.
struct Strategies {
  Strategies() {
    copy::register_builtin_strategies(registry);
    specs = strategies_that_work_here(registry);
  }
  Registry registry;
  std::vector<std::string> specs;
};
const Strategies& strategies() {
  static const Strategies all;
  return all;
}

bool probe_says_suitable(const std::string& spec, const std::string& source) {
  bool suitable = false;
  run_isolated([&](HostThread*) {
    LiveFiles files(source);
    suitable = strategies().registry.strategy(spec)->probe(probe_source(files)).suitable;
  });
  return suitable;
}

class Conformance : public ::testing::TestWithParam<Cell> {};

TEST_P(Conformance, OfEveryStrategy) {
  const Cell& cell = GetParam();
  CellSource source(cell);
  const kit::TemporaryDirectory destinations(scratch_parent(cell));
  // A journal that is there now is not there a moment later where somebody writes.
  const bool is_still = cell.situation != Situation::writing;
  SeenSource seen = is_still ? look_at_source(source.path()) : SeenSource();
  unsigned succeeded = 0;
  for (const std::string& spec : strategies().specs) {
    SCOPED_TRACE(spec);
    const StrategyTraits traits = strategies().registry.strategy(spec)->traits();
    const bool is_default = spec == CopyRequest().strategy;
    const Duty duty = duty_of(traits, is_default, probe_says_suitable(spec, source.path()), cell);
    CopyRequest request = request_of(source.path(), destinations.file("copy.db"), spec);
    const std::vector<std::string> locks_before = own_locks_on(source.path());
    const std::vector<kit::Committed> floor = source.floor();
    const Outcome outcome = run_request(request, strategies().registry,
                                        Deadline::after(duty == Duty::succeed ? kLong : kShort));

    if (outcome.ok()) {
      ++succeeded;
      EXPECT_NE(duty, Duty::refuse) << "nobody can vouch for this: " << outcome.explain();
      EXPECT_TRUE(may_deliver(traits, outcome.report.verdict)) << outcome.explain();
      const kit::CheckResult result = kit::check_copy(request.destination, floor);
      EXPECT_TRUE(result.good()) << result.explain() << '\n' << outcome.explain();
      EXPECT_EQ(leftovers(request.destination, {"copy.db"}), "");
      std::filesystem::remove(request.destination);
    } else {
      EXPECT_NE(duty, Duty::succeed) << outcome.explain();
      EXPECT_EQ(outcome.exit_code(), 4) << outcome.explain();
      EXPECT_EQ(leftovers(request.destination, {}), "");
    }
    EXPECT_EQ(own_locks_on(source.path()), locks_before);
    if (is_still) {
      // SQLite's readers write their marks into the -shm; nobody else may change anything.
      SeenSource now = look_at_source(source.path());
      EXPECT_EQ(difference(seen, now, !traits.opens_with_sqlite), "");
      seen = std::move(now);
    }
  }
  // So that the table cannot be satisfied by refusing everything.
  if (!cell.is_owned_exclusively() || (cell.keeps_journal() && cell.situation == Situation::idle)) {
    EXPECT_GT(succeeded, 0U);
  }
  source.finish();
}

INSTANTIATE_TEST_SUITE_P(Cells, Conformance, ::testing::ValuesIn(all_cells()),
                         [](const ::testing::TestParamInfo<Cell>& test) {
                           return test.param.name();
                         });

// The duties are worth something only if there is somebody to have them.
TEST(Strategies, OfEveryKindAreThere) {
  unsigned movers = 0;
  unsigned lockers = 0;
  unsigned for_live_writers = 0;
  for (const std::string& spec : strategies().specs) {
    const StrategyTraits traits = strategies().registry.strategy(spec)->traits();
    movers += traits.is_mover ? 1 : 0;
    lockers += traits.takes_locks ? 1 : 0;
    for_live_writers += traits.handles_live_writer ? 1 : 0;
    EXPECT_FALSE(traits.opens_with_sqlite && !traits.takes_locks) << spec;
    EXPECT_FALSE(traits.is_mover && (traits.takes_locks || traits.handles_live_writer)) << spec;
  }
  EXPECT_GE(movers, 2U);
  EXPECT_GE(lockers, 2U);
  EXPECT_GE(for_live_writers, 2U);
  const auto& specs = strategies().specs;
  EXPECT_NE(std::find(specs.begin(), specs.end(), CopyRequest().strategy), specs.end());
}

}  // namespace
}  // namespace sqlbk::test
