#include "kit/status.hpp"

#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "kit/temporary_directory.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::kit {
namespace {

using namespace std::chrono_literals;

TEST(Status, OneSideStoresTheOtherSees) {
  const TemporaryDirectory directory;
  const StatusMapping writer = StatusMapping::create(directory.file("status"));
  const StatusMapping reader = StatusMapping::open(directory.file("status"));
  EXPECT_EQ(reader->read().commits, 0U);
  writer->count_commit(41);
  writer->count_commit(42);
  EXPECT_TRUE(writer->count_error("first", 11));
  EXPECT_FALSE(writer->count_error(std::string(5000, 'x'), 26));
  const Counters seen = reader->read();
  EXPECT_EQ(seen.committed, 42U);
  EXPECT_EQ(seen.commits, 2U);
  EXPECT_EQ(seen.other_errors, 2U);
  EXPECT_EQ(seen.last_error_code, 26U);
  EXPECT_EQ(seen.first_error, "first");
}

TEST(Status, CreatingItAgainStartsFromZero) {
  const TemporaryDirectory directory;
  StatusMapping::create(directory.file("status"))->count_commit(1);
  EXPECT_EQ(StatusMapping::create(directory.file("status"))->read().commits, 0U);
}

TEST(Status, RefusesOtherFiles) {
  const TemporaryDirectory directory;
  std::ofstream(directory.file("other")) << "not a status file";
  EXPECT_THROW(static_cast<void>(StatusMapping::open(directory.file("other"))), Error);
  EXPECT_THROW(static_cast<void>(StatusMapping::create(directory.file("other"))), Error);
  EXPECT_THROW(static_cast<void>(StatusMapping::open(directory.file("missing"))), Error);
}

TEST(Status, ALongErrorIsCutNotOverrun) {
  SharedStatus status{};
  status.count_error(std::string(5000, 'x'), 1);
  EXPECT_EQ(status.read().first_error, std::string(status.first_error.size() - 1, 'x'));
}

TEST(Status, TheWorstStallOfAWindowIsTakenOnce) {
  SharedStatus status{};
  EXPECT_EQ(status.take_window_worst_stall(), 0ns);
  status.begin_stall();
  std::this_thread::sleep_for(2ms);
  EXPECT_GE(status.take_window_worst_stall(), 2ms) << "the one going on counts";
  EXPECT_GE(status.take_window_worst_stall(), 2ms) << "as long as it goes on";
  status.end_stall();
  EXPECT_GE(status.take_window_worst_stall(), 2ms);
  EXPECT_EQ(status.take_window_worst_stall(), 0ns);
  EXPECT_GE(status.read().worst_stall, 2ms) << "the overall worst stays";
}

TEST(Status, AForgottenStallLeavesNoTrace) {
  SharedStatus status{};
  status.begin_stall();
  status.forget_stall();
  EXPECT_EQ(status.take_window_worst_stall(), 0ns);
  EXPECT_EQ(status.read().stall_percentile(1.0), 0us);
}

TEST(Status, PercentilesAreUpperEndsOfBuckets) {
  Counters counters;
  counters.stalls[0] = 50;  // below 1 µs
  counters.stalls[4] = 49;  // 8 to 15 µs
  counters.stalls[20] = 1;
  EXPECT_EQ(counters.stall_percentile(0.5), 1us);
  EXPECT_EQ(counters.stall_percentile(0.51), 16us);
  EXPECT_EQ(counters.stall_percentile(0.99), 16us);
  EXPECT_EQ(counters.stall_percentile(1.0), 1'048'576us);
  Counters later = counters;
  later.stalls[2] += 10;
  EXPECT_EQ(later.since(counters).stall_percentile(1.0), 4us);
}

}  // namespace
}  // namespace sqlbk::kit
