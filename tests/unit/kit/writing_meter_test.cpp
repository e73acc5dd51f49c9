#include "kit/writing_meter.hpp"

#include <chrono>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "kit/load.hpp"
#include "kit/statistics.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"

namespace sqlbk::kit {
namespace {

using namespace std::chrono_literals;

constexpr auto kSoon = 120s;

TEST(WritingMeter, CountsInItsWindowsOnly) {
  const TemporaryDirectory directory;
  create_database(directory.file("a.db"), {.size_mb = 1});
  std::vector<WriterProcess> owners = start_owners({}, directory.file("a.db"));
  WriterProcess& writer = owners.front();
  WritingMeter meter(owners);
  EXPECT_EQ(meter.commits(), 0U);
  EXPECT_EQ(meter.commits_per_second(), 0);

  const auto window = [&](std::uint64_t commits) {
    meter.begin();
    const std::uint64_t before = writer.counters().commits;
    writer.wait_for_commits(before + commits, kSoon);
    writer.pause();
    meter.end();
  };
  window(20);
  const std::uint64_t first = meter.commits();
  EXPECT_GE(first, 20U);
  const auto time = meter.time();
  writer.resume();
  writer.wait_for_commits(writer.counters().commits + 50, kSoon);
  EXPECT_EQ(meter.commits(), first);
  EXPECT_EQ(meter.time(), time);
  window(5);
  EXPECT_GE(meter.commits(), first + 5);
  EXPECT_GT(meter.time(), time);
  EXPECT_GT(meter.worst_stall().count(), 0);
  EXPECT_LE(meter.stall_percentile(0.5), meter.stall_percentile(0.99));
  EXPECT_LE(meter.stall_percentile(1), meter.worst_stall());
}

TEST(Load, StartsItsWritersAndItsCheckpointer) {
  const TemporaryDirectory directory;
  create_database(directory.file("a.db"), {.size_mb = 1});
  Load load;
  load.writers = 2;
  load.pause = 1ms;
  load.checkpoint = CheckpointMode::passive;
  load.checkpoint_every = 5ms;
  load.warm_up_resets = 1;
  std::vector<WriterProcess> owners = start_owners(load, directory.file("a.db"));
  ASSERT_EQ(owners.size(), 3U);
  EXPECT_EQ(owners[2].options().role, Role::checkpointer);
  warm_up(load, directory.file("a.db"), std::span(owners.data(), 2));
  EXPECT_EQ(committed_by(owners).size(), 2U);
  for (WriterProcess& owner : owners) EXPECT_EQ(owner.stop().other_errors, 0U);
}

TEST(Statistics, TheMedian) {
  EXPECT_EQ(median({}), 0);
  EXPECT_EQ(median({3}), 3);
  EXPECT_EQ(median({9, 1, 5}), 5);
  EXPECT_EQ(median({9, 1, 5, 7}), 7);
}

}  // namespace
}  // namespace sqlbk::kit
