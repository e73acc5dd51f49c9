#include "sqlbk/core/run_context.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "errors.hpp"
#include "test_context.hpp"

namespace sqlbk {
namespace {

using namespace std::chrono_literals;
using test::code_of;
using test::TestContext;

TEST(DeadlineTest, NeverNeverPasses) {
  const Deadline deadline = Deadline::never();
  EXPECT_TRUE(deadline.is_never());
  EXPECT_FALSE(deadline.has_passed());
  EXPECT_GE(deadline.left(), 24h);
}

TEST(DeadlineTest, AFixedOnePassesWhenItsTimeIsUp) {
  EXPECT_TRUE(Deadline::after(0ms).has_passed());
  EXPECT_EQ(Deadline::after(0ms).left(), 0ms);
  EXPECT_EQ(Deadline::after(-5s).left(), 0ms) << "never less than nothing";
  const Deadline later = Deadline::after(1h);
  EXPECT_FALSE(later.has_passed());
  EXPECT_LE(later.left(), 1h);
  EXPECT_GT(later.left(), 59min);
}

TEST(DeadlineTest, OfTwoTheSoonerOneCounts) {
  const Deadline never = Deadline::never();
  const Deadline passed = Deadline::after(0ms);
  const Deadline later = Deadline::after(1h);
  EXPECT_TRUE(never.sooner_of(never).is_never());
  EXPECT_TRUE(never.sooner_of(passed).has_passed());
  EXPECT_TRUE(passed.sooner_of(never).has_passed());
  EXPECT_TRUE(later.sooner_of(passed).has_passed());
  EXPECT_TRUE(passed.sooner_of(later).has_passed());
  EXPECT_FALSE(later.sooner_of(never).has_passed());
}

TEST(RunContextTest, APhaseHasADeadlineOfItsOwnAndSharesTheRest) {
  TestContext test({.deadline = Deadline::after(1h)});
  RunContext phase = test.context.until(Deadline::after(0ms));
  EXPECT_EQ(code_of([&] { phase.tick(); }), Errc::deadline_exceeded);
  EXPECT_EQ(code_of([&] { test.context.tick(); }), std::nullopt) << "the run goes on";
  RunContext same = test.context.until(Deadline::never());
  EXPECT_LE(same.deadline().left(), 1h) << "no phase outlives its run";
  EXPECT_EQ(&same.progress(), &test.progress);
  int calls = 0;
  {
    const auto guard = same.watch([&] { ++calls; });
    test.context.tick();
    EXPECT_EQ(calls, 1);
  }
  test.cancel.request();
  EXPECT_EQ(code_of([&] { same.tick(); }), Errc::interrupted);
}

TEST(RunContextTest, TickThrowsWhatStopsARun) {
  TestContext test;
  EXPECT_EQ(code_of([&] { test.context.tick(); }), std::nullopt);
  EXPECT_FALSE(test.context.should_stop());
  RunContext late = test.context.until(Deadline::after(0ms));
  EXPECT_TRUE(late.should_stop());
  EXPECT_EQ(code_of([&] { late.tick(); }), Errc::deadline_exceeded);
  test.cancel.request();
  EXPECT_EQ(code_of([&] { late.tick(); }), Errc::interrupted) << "the user comes first";
  EXPECT_TRUE(test.context.should_stop());
  EXPECT_EQ(code_of([&] { test.context.tick(); }), Errc::interrupted);
}

TEST(RunContextTest, AdvanceCountsAndTicks) {
  TestContext test;
  test.progress.begin(Phase::copy, 100);
  test.context.advance(7);
  test.context.advance(5);
  EXPECT_EQ(test.progress.done_bytes.load(), 12U);
  EXPECT_EQ(test.progress.total_bytes.load(), 100U);
  EXPECT_EQ(test.progress.phase.load(), Phase::copy);
  EXPECT_EQ(&test.context.progress(), &test.progress);
  test.cancel.request();
  EXPECT_EQ(code_of([&] { test.context.advance(1); }), Errc::interrupted);
  test.progress.begin(Phase::fold, 0);
  EXPECT_EQ(test.progress.done_bytes.load(), 0U) << "a new phase counts from 0";
}

TEST(RunContextTest, SleepingIsCutShort) {
  TestContext test;
  test.cancel.request();
  EXPECT_EQ(code_of([&] { test.context.sleep_for(1h); }), Errc::interrupted);
  EXPECT_EQ(code_of([&] { test.context.sleep_for(0ms); }), Errc::interrupted)
      << "a sleep of no length ticks, too";
  TestContext other({.deadline = Deadline::after(20ms)});
  EXPECT_EQ(code_of([&] { other.context.sleep_for(1h); }), Errc::deadline_exceeded);
}

TEST(RunContextTest, SleepingTakesItsTime) {
  TestContext test;
  const auto start = std::chrono::steady_clock::now();
  test.context.sleep_for(30ms);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 30ms);
}

TEST(RunContextTest, SleepingIsCutShortFromAnotherThread) {
  TestContext test;
  std::thread other([&] { test.cancel.request(); });
  EXPECT_EQ(code_of([&] { test.context.sleep_for(1h); }), Errc::interrupted);
  other.join();
}

TEST(RunContextTest, TheWatchRunsWithTicksUntilItsGuardIsGone) {
  TestContext test;
  int calls = 0;
  {
    const auto guard = test.context.watch([&] { ++calls; });
    test.context.tick();
    EXPECT_EQ(calls, 1) << "the first tick looks at once";
    for (int i = 0; i < 1000; ++i) test.context.tick();
    EXPECT_LT(calls, 900) << "and not each one after it";
    const int before = calls;
    std::this_thread::sleep_for(3ms);
    test.context.tick();
    EXPECT_GT(calls, before);
  }
  const int before = calls;
  std::this_thread::sleep_for(3ms);
  test.context.tick();
  EXPECT_EQ(calls, before);
}

TEST(RunContextTest, WhatTheWatchThrowsStopsTheRun) {
  TestContext test;
  EXPECT_EQ(code_of([&] {
              const auto guard = test.context.watch(
                  [] { throw Error(Errc::lock_budget_exceeded, "somebody waits"); });
              test.context.advance(1);
            }),
            Errc::lock_budget_exceeded);
  EXPECT_EQ(code_of([&] { test.context.tick(); }), std::nullopt) << "the guard is gone";
}

TEST(RunContextTest, ACancelledRunDoesNotAskItsWatch) {
  TestContext test;
  int calls = 0;
  const auto guard = test.context.watch([&] { ++calls; });
  test.cancel.request();
  EXPECT_EQ(code_of([&] { test.context.tick(); }), Errc::interrupted);
  EXPECT_EQ(calls, 0);
}

TEST(RunContextTest, LogsToItsSinkIfItHasOne) {
  TestContext silent;
  silent.context.log(LogLevel::info, "into the void");
  std::vector<std::pair<LogLevel, std::string>> lines;
  TestContext test({.log_sink = [&](LogLevel level, const std::string& text) {
    lines.emplace_back(level, text);
  }});
  test.context.log(LogLevel::warning, "to us");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].first, LogLevel::warning);
  EXPECT_EQ(lines[0].second, "to us");
}

TEST(RunContextTest, WorkForTheHostRunsOnItsThread) {
  TestContext test;
  const std::thread::id here = std::this_thread::get_id();
  std::thread::id id;
  test.context.on_host([&] { id = std::this_thread::get_id(); });
  EXPECT_EQ(id, here) << "without an isolated thread, this one is it";
  test.context.run_isolated([&] {
    EXPECT_TRUE(test.context.is_isolated());
    id = {};
    test.context.on_host([&] { id = std::this_thread::get_id(); });
    EXPECT_EQ(id, here);
    EXPECT_NE(std::this_thread::get_id(), here);
    EXPECT_EQ(code_of([&] { test.context.on_host([] { throw Error(Errc::no_space, "x"); }); }),
              Errc::no_space);
  });
}

// What runs there already needs no way there: it would wait for itself.
TEST(RunContextTest, WorkForTheHostMayBeNested) {
  std::vector<std::thread::id> ids;
  TestContext test({.log_sink = [&](LogLevel, const std::string&) {
    ids.push_back(std::this_thread::get_id());
  }});
  const std::thread::id here = std::this_thread::get_id();
  test.context.run_isolated([&] {
    test.context.on_host([&] {
      test.context.on_host([&] { ids.push_back(std::this_thread::get_id()); });
      test.context.log(LogLevel::info, "from there");
    });
    test.context.log(LogLevel::info, "from here");
    EXPECT_EQ(ids, std::vector(3, here)) << "the sink writes to the host's descriptors";
    EXPECT_EQ(code_of([&] {
                test.context.on_host(
                    [&] { test.context.on_host([] { throw Error(Errc::no_space, "x"); }); });
              }),
              Errc::no_space);
    EXPECT_TRUE(test.context.is_isolated());
  });
}

// ---- What is let go of before the program is stopped.

TEST(Suspending, LetsGoOfWhatIsHeldAndOfNothingElse) {
  TestContext test;
  int first = 0;
  int second = 0;
  const auto held = test.context.hold([&] { ++first; });
  {
    const auto ended = test.context.until(Deadline::never()).hold([&] { ++second; });
  }
  std::thread([&] { test.context.suspend(); }).join();
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 0);
  test.context.resume();
}

TEST(Suspending, NothingIsHeldBeforeTheRunGoesOn) {
  TestContext test;
  std::atomic<bool> is_held{false};
  test.context.suspend();
  std::thread taker([&] {
    const auto held = test.context.hold([] {});
    is_held = true;
  });
  std::this_thread::sleep_for(20ms);  // long enough to find a taker that does not wait
  EXPECT_FALSE(is_held);
  test.context.resume();
  taker.join();
  EXPECT_TRUE(is_held);
}

TEST(Suspending, AGuardEndsOnlyWhenItHasBeenLetGoOf) {
  TestContext test;
  std::atomic<bool> has_let_go{false};
  std::promise<void> begun;
  std::optional<std::thread> suspender;
  {
    const auto held = test.context.hold([&] {
      begun.set_value();
      std::this_thread::sleep_for(20ms);
      has_let_go = true;
    });
    suspender.emplace([&] { test.context.suspend(); });
    begun.get_future().wait();
  }
  EXPECT_TRUE(has_let_go);
  suspender->join();
}

// The thread that watches a lock gives it back by the host, whatever the run is at.
TEST(RunContextTest, AnotherThreadOfTheRunCanCallTheHost) {
  TestContext test;
  const std::thread::id here = std::this_thread::get_id();
  test.context.run_isolated([&] {
    const RunContext::HostCall call = test.context.host_call();
    std::atomic<int> calls{0};
    std::thread other([&] {
      for (int i = 0; i < 1000; ++i) {
        call([&] { calls += std::this_thread::get_id() == here ? 1 : 1000; });
      }
      EXPECT_EQ(code_of([&] { call([] { throw Error(Errc::no_space, "x"); }); }), Errc::no_space);
    });
    for (int i = 0; i < 1000; ++i) test.context.on_host([&] { ++calls; });
    other.join();
    EXPECT_EQ(calls, 2000);
  });
  test.context.host_call()([&] { EXPECT_EQ(std::this_thread::get_id(), here); });
}

TEST(Names, ArePrinted) {
  for (const Phase phase : {Phase::probe, Phase::copy, Phase::fold, Phase::steps, Phase::sync,
                            Phase::publish, Phase::done}) {
    EXPECT_NE(to_string(phase), "unknown");
  }
  for (const LogLevel level :
       {LogLevel::error, LogLevel::warning, LogLevel::info, LogLevel::debug}) {
    EXPECT_NE(to_string(level), "unknown");
  }
}

}  // namespace
}  // namespace sqlbk
