#include "tables.hpp"

#include <string>

#include "figures.hpp"
#include "outcomes.hpp"
#include "table.hpp"

namespace sqlbk::tool::bench::page {
namespace {

constexpr const char* kSourceDamaged =
    "the writers damaged their own database, by a bug of SQLite, again and again";

Cell count_cell(unsigned count, bool is_bad = false) {
  return {std::to_string(count), is_bad && count != 0, false};
}

Cell prose(const std::string& text) {
  return {text, false, true};
}

// Nothing is a time where nothing was timed.
Cell seconds_cell(bool is_measured, double seconds) {
  return {is_measured ? seconds_text(seconds) : "–", false, false};
}

std::string load_caption(const std::string& what, const LoadResult& load) {
  return what + ": " + load.name + ", " + size_text(load.main_bytes);
}

// What tools said and what was found, in words: too long for a column of figures.
struct Remark {
  const std::string& tool;
  const char* what;
  std::string words;
};

void write_remarks(Markup& markup, const std::vector<Remark>& remarks) {
  if (remarks.empty()) return;
  const Element list(markup, "dl", {{"class", "remarks"}});
  for (const Remark& remark : remarks) {
    const Element pair(markup, "div");
    markup.element("dt", remark.tool + ", " + remark.what);
    markup.element("dd", remark.words);
  }
}

void copies_table(Markup& markup, const std::vector<Tool>& tools, const LoadResult& load) {
  std::vector<std::string> columns{"copies"};
  for (const Outcome& outcome : kOutcomes) columns.emplace_back(outcome.name);
  columns.insert(columns.end(), {"median", "fastest", "slowest"});
  ToolTable table(load_caption("Copies", load), std::move(columns));
  for (const LiveTiming& timing : load.timings) {
    std::vector<Cell> cells{count_cell(all_of(timing))};
    for (const Outcome& outcome : kOutcomes) {
      cells.push_back(count_cell(timing.*outcome.count, is_bad(outcome)));
    }
    const bool is_made = made_of(timing) != 0;
    cells.push_back(seconds_cell(is_made, timing.wall_seconds.median));
    cells.push_back(seconds_cell(is_made, timing.wall_seconds.lowest));
    cells.push_back(seconds_cell(is_made, timing.wall_seconds.highest));
    table.add(timing.tool, std::move(cells));
  }
  table.write(markup, tools);
}

std::vector<Cell> writing_cells(const Writing& writing, double alone) {
  const double commits = writing.commits_per_second;
  return {{number_text(commits)},
          {alone > 0 ? percent_text(commits / alone) : "–"},
          {seconds_text(writing.p99_stall_seconds)},
          {seconds_text(writing.worst_stall_seconds)},
          {size_text(writing.wal_growth_bytes)}};
}

void writers_table(Markup& markup, const std::vector<Tool>& tools, const LoadResult& load) {
  const double alone = load.alone.commits_per_second;
  ToolTable table(load_caption("Writers", load),
                  {"commits/s", "of alone", "p99 stall", "worst stall", "WAL growth"});
  table.add_reference("alone, without any copy", writing_cells(load.alone, alone));
  for (const LiveTiming& timing : load.timings) {
    table.add(timing.tool, writing_cells(timing.with_copies, alone));
  }
  table.write(markup, tools);
}

}  // namespace

void tool_table(Markup& markup, const std::vector<Tool>& tools) {
  ToolTable table("Tools", {"version", "was run"});
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const Tool& tool = tools[i];
    table.add(i, {prose(tool.version.empty() ? "–" : tool.version),
                  prose(tool.unavailable.empty() ? "yes" : "no: " + tool.unavailable)});
  }
  table.write(markup, tools);
}

void time_table(Markup& markup, const std::vector<Tool>& tools, const SizeResult& size) {
  ToolTable table(
      "Times: " + size_text(size.main_bytes) +
          (size.wal_bytes == 0 ? ", no WAL" : ", a WAL of " + size_text(size.wal_bytes)),
      {"runs", "failed", "median", "fastest", "slowest", "CPU time", "peak memory", "written"});
  std::vector<Remark> remarks;
  for (const Timing& timing : size.timings) {
    const bool is_measured = timing.runs != 0;
    table.add(timing.tool, {count_cell(timing.runs),
                            count_cell(timing.failed, true),
                            seconds_cell(is_measured, timing.wall_seconds.median),
                            seconds_cell(is_measured, timing.wall_seconds.lowest),
                            seconds_cell(is_measured, timing.wall_seconds.highest),
                            seconds_cell(is_measured, timing.cpu_seconds.median),
                            {is_measured ? size_text(timing.peak_memory_bytes) : "–"},
                            {is_measured ? size_text(timing.written_bytes) : "–"}});
    if (!timing.first_failure.empty()) {
      remarks.push_back({tools.at(timing.tool).name, "first failure", timing.first_failure});
    }
  }
  table.write(markup, tools);
  write_remarks(markup, remarks);
}

void load_tables(Markup& markup, const std::vector<Tool>& tools, const LoadResult& load) {
  copies_table(markup, tools, load);
  std::vector<Remark> remarks;
  for (const LiveTiming& timing : load.timings) {
    const std::string& name = tools.at(timing.tool).name;
    if (!timing.first_bad.empty()) remarks.push_back({name, "first bad copy", timing.first_bad});
    if (!timing.first_refusal.empty()) {
      remarks.push_back({name, "first refusal", timing.first_refusal});
    }
    if (timing.source_damaged) remarks.push_back({name, "not to be judged", kSourceDamaged});
  }
  write_remarks(markup, remarks);
  writers_table(markup, tools, load);
}

}  // namespace sqlbk::tool::bench::page
