#include "made_up_results.hpp"

#include <map>

namespace sqlbk::test {
namespace {

using tool::bench::LiveTiming;
using tool::bench::LoadResult;
using tool::bench::Results;
using tool::bench::SizeResult;
using tool::bench::Spread;
using tool::bench::Timing;
using tool::bench::Tool;
using tool::bench::ToolKind;
using tool::bench::Writing;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

Results with_head() {
  Results results;
  results.command =
      "sqlbk bench --sizes 16M,128M,1G --runs 7 --copies 100 --loads all --html report.html --json "
      "report.json /var/tmp/bench";
  results.began = "2024-03-01T09:30:00Z";
  results.sqlbk_version = "0.1.0";
  results.sqlite_version = "3.40.1";
  results.machine = {8, 16 * 1024 * kMiB, "Example Processor 3000 at 2.40 GHz", "Linux 6.1.0",
                     "ext4"};
  return results;
}

Spread around(double median, double spread = 0.15) {
  return {median * (1 - spread / 2), median, median * (1 + spread)};
}

Timing timing(std::size_t tool, double seconds, unsigned runs = 7) {
  Timing result;
  result.tool = tool;
  result.runs = runs;
  result.wall_seconds = around(seconds, 0.1 + 0.07 * static_cast<double>(tool % 5));
  result.cpu_seconds = around(seconds * 0.4);
  result.peak_memory_bytes = (5 + tool) * kMiB + 300'000;
  result.written_bytes = static_cast<std::uint64_t>(seconds * 9e8);
  return result;
}

struct Counts {
  unsigned good, torn, stale, unreadable, refused, timed_out;
};

LiveTiming live(std::size_t tool, const Counts& counts, const Writing& writing, double seconds) {
  LiveTiming result;
  result.tool = tool;
  result.good = counts.good;
  result.torn = counts.torn;
  result.stale = counts.stale;
  result.unreadable = counts.unreadable;
  result.refused = counts.refused;
  result.timed_out = counts.timed_out;
  if (counts.torn != 0) result.first_bad = "page 17 is of transaction 388, page 18 of 391";
  if (counts.refused != 0) result.first_refusal = "Error: database is locked";
  result.wall_seconds = around(seconds);
  result.with_copies = writing;
  return result;
}

std::vector<Tool> ordinary_tools() {
  return {{ToolKind::strategy, "auto", "", ""},
          {ToolKind::strategy, "lock+range", "", ""},
          {ToolKind::strategy, "lock+reflink", "", "reflinks are not supported on ext4"},
          {ToolKind::strategy, "snapshot+range", "", ""},
          {ToolKind::strategy, "follow+range", "", ""},
          {ToolKind::strategy, "retry-verify+range", "", ""},
          {ToolKind::strategy, "online", "", ""},
          {ToolKind::peer, "cp", "coreutils 9.1", ""},
          {ToolKind::peer, "cp, main and WAL", "coreutils 9.1", ""},
          {ToolKind::peer, "rsync", "3.2.7", ""},
          {ToolKind::peer, "sqlite3 .backup", "3.40.1", ""},
          {ToolKind::peer, "sqlite3 VACUUM INTO", "3.40.1", ""},
          {ToolKind::peer, "sqlite3_rsync", "", "not installed"}};
}

std::vector<SizeResult> ordinary_sizes() {
  const std::map<std::size_t, double> seconds{{0, 0.31},  {1, 0.32},  {3, 0.33}, {4, 0.36},
                                              {5, 0.35},  {6, 0.62},  {7, 0.33}, {8, 0.345},
                                              {9, 0.971}, {10, 0.74}, {11, 2.31}};
  std::vector<SizeResult> sizes;
  for (const std::uint64_t size : {16 * kMiB, 128 * kMiB, 1024 * kMiB}) {
    SizeResult result{size, size / 8, {}};
    for (const auto& [tool, at_largest] : seconds) {
      const double scaled = at_largest * static_cast<double>(size) / (1024.0 * kMiB);
      result.timings.push_back(timing(tool, 0.012 + scaled));
    }
    sizes.push_back(result);
  }
  Timing& failing = sizes.back().timings.back();
  failing.runs = 0;
  failing.failed = 7;
  failing.first_failure = "Error: stepping, database or disk is full (13)";
  return sizes;
}

LoadResult wal_load() {
  LoadResult load{
      "wal, 1 writer without a pause", 128 * kMiB, 20, {2914, 0.000'9, 0.021, 4 * kMiB}, {}};
  load.timings = {live(0, {100, 0, 0, 0, 0, 0}, {2801, 0.0011, 0.034, 22 * kMiB}, 0.12),
                  live(1, {100, 0, 0, 0, 0, 0}, {2788, 0.0011, 0.036, 23 * kMiB}, 0.12),
                  live(3, {100, 0, 0, 0, 0, 0}, {2760, 0.0012, 0.035, 23 * kMiB}, 0.13),
                  live(4, {97, 0, 0, 0, 3, 0}, {2705, 0.0013, 0.031, 6 * kMiB}, 0.22),
                  live(5, {4, 0, 0, 0, 96, 0}, {2630, 0.0014, 0.038, 5 * kMiB}, 0.19),
                  live(6, {100, 0, 0, 0, 0, 0}, {2440, 0.0018, 0.092, 51 * kMiB}, 0.3),
                  live(7, {2, 61, 36, 1, 0, 0}, {2850, 0.001, 0.028, 4 * kMiB}, 0.11),
                  live(8, {81, 18, 1, 0, 0, 0}, {2822, 0.001, 0.029, 4 * kMiB}, 0.12),
                  live(9, {12, 70, 15, 0, 3, 0}, {2640, 0.0013, 0.041, 4 * kMiB}, 0.4),
                  live(10, {3, 0, 0, 0, 0, 97}, {1904, 0.0042, 0.61, 310 * kMiB}, 14),
                  live(11, {100, 0, 0, 0, 0, 0}, {2210, 0.002, 0.11, 140 * kMiB}, 1.4)};
  return load;
}

LoadResult rollback_load() {
  LoadResult load{"delete, 1 writer every 3 ms", 128 * kMiB, 20, {289, 0.0041, 0.063, 0}, {}};
  load.timings = {live(0, {100, 0, 0, 0, 0, 0}, {196, 0.131, 0.21, 0}, 0.13),
                  live(1, {100, 0, 0, 0, 0, 0}, {194, 0.129, 0.22, 0}, 0.13),
                  live(4, {0, 0, 0, 0, 100, 0}, {288, 0.0041, 0.061, 0}, 0),
                  live(5, {0, 0, 0, 0, 71, 29}, {251, 0.0062, 0.09, 0}, 0),
                  live(7, {12, 71, 17, 0, 0, 0}, {271, 0.0049, 0.07, 0}, 0.11),
                  live(10, {0, 0, 0, 0, 0, 100}, {160, 0.021, 1.2, 0}, 0),
                  live(11, {94, 0, 0, 0, 6, 0}, {60, 1.4, 2.9, 0}, 1.5)};
  return load;
}

LoadResult busy_load() {
  LoadResult load{
      "wal, 4 writers, checkpoint every 100 pages", 16 * kMiB, 20, {811, 0.034, 0.31, 400'000}, {}};
  load.timings = {live(0, {100, 0, 0, 0, 0, 0}, {790, 0.035, 0.33, 9 * kMiB}, 0.04),
                  live(4, {100, 0, 0, 0, 0, 0}, {803, 0.034, 0.31, 400'000}, 0.05),
                  live(7, {0, 999, 0, 1, 0, 0}, {808, 0.034, 0.3, 400'000}, 0.03),
                  live(10, {998, 1, 1, 0, 0, 0}, {633, 0.061, 1.1, 14 * kMiB}, 0.3)};
  return load;
}

Results ordinary() {
  Results results = with_head();
  results.tools = ordinary_tools();
  results.sizes = ordinary_sizes();
  results.loads = {wal_load(), rollback_load(), busy_load()};
  return results;
}

Results one_size() {
  Results results = ordinary();
  results.sizes = {results.sizes[1]};
  results.sizes[0].wal_bytes = 0;
  results.loads.resize(1);
  return results;
}

Results one_tool() {
  Results results = with_head();
  results.tools = {{ToolKind::strategy, "auto", "", ""}};
  results.sizes = {{128 * kMiB, 0, {timing(0, 0.12, 1)}}};
  results.loads = {wal_load()};
  results.loads[0].timings.resize(1);
  return results;
}

Results thirty() {
  Results results = with_head();
  for (std::size_t i = 0; i < 30; ++i) {
    const bool is_peer = i >= 12;
    std::string name = is_peer ? "a peer with a telling name, number " : "strategy+mover-";
    results.tools.push_back({is_peer ? ToolKind::peer : ToolKind::strategy,
                             name + std::to_string(i), is_peer ? "1.2.3" : "", ""});
  }
  for (const std::uint64_t size : {kMiB, 4 * kMiB, 16 * kMiB, 64 * kMiB, 256 * kMiB, 1024 * kMiB,
                                   4096 * kMiB, 16'384 * kMiB}) {
    SizeResult result{size, 0, {}};
    for (std::size_t i = 0; i < 30; ++i) {
      const double megabytes = static_cast<double>(size) / kMiB;
      const double rate = 0.0004 * (1 + static_cast<double>(i * i % 37) / 9);
      result.timings.push_back(timing(i, 0.002 + rate * megabytes));
    }
    results.sizes.push_back(result);
  }
  LoadResult load{
      "wal, 1 writer without a pause", kMiB, 1.5, {101'234, 0.000'031, 0.012, 4 * kMiB}, {}};
  for (std::size_t i = 0; i < 30; ++i) {
    const auto n = static_cast<unsigned>(i);
    load.timings.push_back(live(i, {1000 - 30 * n, 5 * n, n, n % 3, 10 * n, 7 * n},
                                {101'234.0 - 2000.0 * n, 0.000'031 * (1 + n), 0.012 * (1 + n), n},
                                0.3));
  }
  results.loads = {load};
  return results;
}

// Every tool was tried, and none succeeded, not even the writers.
Results nothing_worked() {
  Results results = with_head();
  results.tools = {{ToolKind::strategy, "auto", "", ""},
                   {ToolKind::peer, "cp", "", ""},
                   {ToolKind::peer, "rsync", "", "not installed"}};
  Timing failed;
  failed.failed = 3;
  failed.first_failure = "no space left on device";
  Timing never;
  never.tool = 1;
  results.sizes = {{kMiB, 0, {failed, never}}, {kMiB, 0, {failed, never}}};
  LoadResult load;
  load.name = "off";
  LiveTiming copies;
  load.timings = {copies, copies};
  load.timings[1].tool = 1;
  load.timings[1].refused = 3;
  results.loads = {load, LoadResult{"empty", 0, 0, {}, {}}};
  return results;
}

Results hostile() {
  const std::string text(kHostile);
  Results results = ordinary();
  results.command = results.began = results.sqlbk_version = results.sqlite_version = text;
  results.machine = {1, 1, text, text, text};
  for (Tool& tool : results.tools) {
    tool.name = text + tool.name + text;
    tool.version = text;
    if (!tool.unavailable.empty()) tool.unavailable = text;
  }
  results.tools.front().name = std::string(300, 'W');
  // Text that turns the direction and does not turn it back is what a page must stand.
  // NOLINTNEXTLINE(misc-misleading-bidirectional)
  results.tools.back().name = "\u540d\u524d\u540d\u524d \u202eright to left \U0001f600";
  for (SizeResult& size : results.sizes) {
    for (Timing& timing : size.timings) timing.first_failure = text;
  }
  for (LoadResult& load : results.loads) {
    load.name = text + std::string(120, 'x');
    for (LiveTiming& timing : load.timings) timing.first_bad = timing.first_refusal = text;
    load.timings.front().source_damaged = true;
  }
  results.notes = {text, text};
  return results;
}

using Make = Results (*)();
const std::map<std::string, Make>& makers() {
  static const std::map<std::string, Make> kMakers{
      {"hostile", hostile},   {"none", with_head},    {"nothing-worked", nothing_worked},
      {"one-size", one_size}, {"one-tool", one_tool}, {"ordinary", ordinary},
      {"thirty", thirty}};
  return kMakers;
}

}  // namespace

const std::vector<std::string>& made_up_names() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const auto& [name, make] : makers()) names.push_back(name);
    return names;
  }();
  return kNames;
}

Results made_up_results(const std::string& name) {
  return makers().at(name)();
}

}  // namespace sqlbk::test
