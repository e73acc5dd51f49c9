#include "table.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "print.hpp"
#include "text_table.hpp"

namespace sqlbk::tool::bench {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;
constexpr std::size_t kLongestReason = 100;

std::string number(double value, int decimals) {
  std::array<char, 64> text{};
  static_cast<void>(std::snprintf(text.data(), text.size(), "%.*f", decimals, value));
  return text.data();
}

// Three digits that count: "9.87", "98.7", "987".
std::string figure(double value) {
  return number(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

std::string milliseconds_of(double seconds) {
  return figure(seconds * 1000) + " ms";
}

std::string duration(double seconds) {
  if (seconds < 0.9995) return milliseconds_of(seconds);
  return figure(seconds) + " s";
}

// Reasons are other programs' words, and those can be long.
std::string shortened(const std::string& words) {
  if (words.size() <= kLongestReason) return words;
  return words.substr(0, kLongestReason - 3) + "...";
}

// The wall time of plain cp, to compare with; 0: it was not run.
double cp_seconds(const Results& results, const SizeResult& size) {
  for (const Timing& timing : size.timings) {
    const Tool& tool = results.tools[timing.tool];
    if (tool.kind == ToolKind::peer && tool.name == "cp") return timing.wall_seconds.median;
  }
  return 0;
}

void print_left_out(TextOutput& out, const Results& results) {
  bool is_first = true;
  for (const Tool& tool : results.tools) {
    if (tool.unavailable.empty()) continue;
    if (std::exchange(is_first, false)) out << "not run:\n";
    out << "  " << tool.name << ": " << shortened(tool.unavailable) << '\n';
  }
}

void print_heading(TextOutput& out, const Results& results) {
  const Machine& machine = results.machine;
  out << results.command << "\n\n"
      << "sqlbk " << results.sqlbk_version << ", SQLite " << results.sqlite_version << ", "
      << results.began << '\n'
      << machine.cores << (machine.cores == 1 ? " core" : " cores")
      << (machine.processor.empty() ? "" : " (" + machine.processor + ")") << ", "
      << format_bytes(machine.memory_bytes) << " of memory, " << machine.file_system << ", "
      << machine.kernel << '\n';
  std::string peers;
  for (const Tool& tool : results.tools) {
    if (!tool.unavailable.empty() || tool.kind != ToolKind::peer) continue;
    peers.append(peers.empty() ? "" : ", ")
        .append(tool.name + (tool.version.empty() ? "" : " " + tool.version));
  }
  if (!peers.empty()) out << "beside " << peers << '\n';
  print_left_out(out, results);
}

void print_size(TextOutput& out, const Results& results, const SizeResult& size) {
  out << "\nAt rest: " << format_bytes(size.main_bytes) << ", WAL " << format_bytes(size.wal_bytes)
      << ". Each copy ends on the disk; median of the runs.\n\n";
  TextTable table(
      {"tool", "time", "lowest", "highest", "cp = 1", "MiB/s", "CPU", "memory MiB", "written MiB"});
  const double cp = cp_seconds(results, size);
  const double megabytes = static_cast<double>(size.main_bytes + size.wal_bytes) / kMiB;
  for (const Timing& timing : size.timings) {
    const std::string& name = results.tools[timing.tool].name;
    if (timing.runs == 0) {
      table.add_remark(name, "failed: " + shortened(timing.first_failure));
      continue;
    }
    const Spread& wall = timing.wall_seconds;
    table.add({name, duration(wall.median), duration(wall.lowest), duration(wall.highest),
               cp > 0 ? figure(wall.median / cp) : "-",
               wall.median > 0 ? number(megabytes / wall.median, 0) : "-",
               duration(timing.cpu_seconds.median),
               number(static_cast<double>(timing.peak_memory_bytes) / kMiB, 1),
               number(static_cast<double>(timing.written_bytes) / kMiB, 0)});
    if (timing.failed != 0) {
      table.add_remark(
          "", std::to_string(timing.failed) + " more failed: " + shortened(timing.first_failure));
    }
  }
  table.print(out);
}

std::string count(unsigned n) {
  return n == 0 ? "-" : std::to_string(n);
}

std::vector<std::string> writing_cells(const Writing& writing) {
  return {number(writing.commits_per_second, 0), duration(writing.p99_stall_seconds),
          duration(writing.worst_stall_seconds),
          number(static_cast<double>(writing.wal_growth_bytes) / kMiB, 1)};
}

void print_load(TextOutput& out, const Results& results, const LoadResult& load) {
  out << "\nLive: " << load.name << "; " << format_bytes(load.main_bytes) << ", deadline "
      << duration(load.deadline_seconds) << " a copy.\n\n";
  TextTable table({"tool", "good", "torn", "stale", "unreadable", "refused", "timed out", "time",
                   "commits/s", "p99", "worst", "WAL MiB"});
  std::vector<std::string> alone{"(no copies)", "", "", "", "", "", "", ""};
  for (std::string& cell : writing_cells(load.alone)) alone.push_back(std::move(cell));
  table.add(std::move(alone));
  std::vector<std::string> words;
  for (const LiveTiming& timing : load.timings) {
    const std::string& name = results.tools[timing.tool].name;
    std::vector<std::string> cells{
        name,
        count(timing.good),
        count(timing.torn),
        count(timing.stale),
        count(timing.unreadable),
        count(timing.refused),
        count(timing.timed_out),
        timing.wall_seconds.median > 0 ? duration(timing.wall_seconds.median) : "-"};
    for (std::string& cell : writing_cells(timing.with_copies)) cells.push_back(std::move(cell));
    table.add(std::move(cells));
    for (const std::string& reason : {timing.first_bad, timing.first_refusal}) {
      if (!reason.empty()) words.push_back(name + ": " + shortened(reason));
    }
  }
  table.print(out);
  if (!words.empty()) out << "\n  The first bad copy and the first failure of each:\n";
  for (const std::string& line : words) out << "  " << line << '\n';
}

}  // namespace

void print_table(TextOutput& out, const Results& results) {
  print_heading(out, results);
  for (const SizeResult& size : results.sizes) print_size(out, results, size);
  if (!results.loads.empty()) {
    out << "\nUnder live writers, copies back to back, each checked.\n"
           "  torn     no state that was ever committed\n"
           "  stale    lacks what was committed before the copy began\n"
           "  p99      how long a transaction of the writers takes, at most, 99 times in 100\n"
           "  WAL MiB  how much it grew\n";
  }
  for (const LoadResult& load : results.loads) print_load(out, results, load);
  for (const std::string& note : results.notes) out << "\nNote: " << note << '\n';
}

}  // namespace sqlbk::tool::bench
