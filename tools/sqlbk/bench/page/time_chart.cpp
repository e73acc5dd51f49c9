#include <algorithm>
#include <string>

#include "charts.hpp"
#include "figure.hpp"
#include "figures.hpp"
#include "rows.hpp"

namespace sqlbk::tool::bench::page {
namespace {

std::string figure_of(const Timing& timing) {
  if (timing.runs == 0) {
    return timing.failed == 0 ? "no runs" : "all " + counted(timing.failed, "run") + " failed";
  }
  std::string text = seconds_text(timing.wall_seconds.median);
  if (timing.failed != 0) text += ", " + std::to_string(timing.failed) + " failed";
  return text;
}

// The fastest first; those without a time last.
std::vector<Row> rows_of(const SizeResult& size) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < size.timings.size(); ++i) {
    const Timing& timing = size.timings[i];
    rows.push_back({timing.tool, i, figure_of(timing), timing.failed != 0});
  }
  std::stable_sort(rows.begin(), rows.end(), [&size](const Row& a, const Row& b) {
    const Timing& left = size.timings[a.entry];
    const Timing& right = size.timings[b.entry];
    if ((left.runs == 0) != (right.runs == 0)) return right.runs == 0;
    return left.runs != 0 && left.wall_seconds.median < right.wall_seconds.median;
  });
  return rows;
}

std::string spread_text(const Spread& spread) {
  return seconds_text(spread.median) + " (" + seconds_text(spread.lowest) + " to " +
         seconds_text(spread.highest) + ")";
}

std::string description(const std::vector<Tool>& tools, const SizeResult& size) {
  std::string text = "Median, and from the fastest to the slowest run.";
  for (const Timing& timing : size.timings) {
    text += ' ' + tools.at(timing.tool).name + ": " +
            (timing.runs == 0 ? figure_of(timing) : spread_text(timing.wall_seconds)) + ';';
  }
  text.back() = '.';
  return text;
}

void draw_whisker(Svg& svg, double y, double from, double to) {
  const double middle = y + kBarHeight / 2;
  svg.line({from, middle}, {to, middle}, "whisker");
  for (const double x : {from, to}) svg.line({x, y + 2.5}, {x, y + kBarHeight - 2.5}, "whisker");
}

}  // namespace

void time_chart(Markup& markup, const std::string& id, const std::vector<Tool>& tools,
                const SizeResult& size) {
  const std::string title =
      "Wall time, " + size_text(size.main_bytes) +
      (size.wal_bytes == 0 ? "" : " and a WAL of " + size_text(size.wal_bytes));
  const Figure figure(
      markup, title,
      "The median; whiskers from the fastest to the slowest run. Shorter is better.");
  double most = 0;
  for (const Timing& timing : size.timings) {
    if (timing.runs != 0) {
      most = std::max({most, timing.wall_seconds.median, timing.wall_seconds.highest});
    }
  }
  const Rows rows(tools, rows_of(size), 0);
  const LinearScale scale(most, 0, kChartWidth - 2);
  Svg svg(markup, {id, title, description(tools, size)}, rows.height_with_axis());
  if (most > 0) {
    rows.draw_axis(svg, scale.ticks(round_seconds_text),
                   [&](double value) { return scale.at(value); });
  }
  rows.for_each([&](const Row& row, double y) {
    const Timing& timing = size.timings[row.entry];
    if (timing.runs == 0) return;
    const Spread& spread = timing.wall_seconds;
    const Tool& tool = rows.tool(row);
    svg.rectangle({0, y}, std::max(1.0, scale.at(spread.median)), kBarHeight,
                  kind_class("bar", tool.kind), tool.name + ": " + spread_text(spread));
    draw_whisker(svg, y, scale.at(spread.lowest), scale.at(spread.highest));
  });
  rows.draw_names(svg);
}

}  // namespace sqlbk::tool::bench::page
