#include <string>

#include "charts.hpp"
#include "figure.hpp"
#include "figures.hpp"
#include "rows.hpp"

namespace sqlbk::tool::bench::page {
namespace {

std::string stalls_text(const Writing& writing) {
  return "p99 " + seconds_text(writing.p99_stall_seconds) + ", worst " +
         seconds_text(writing.worst_stall_seconds);
}

void add(LogRange& range, const Writing& writing) {
  range.add(writing.p99_stall_seconds);
  range.add(writing.worst_stall_seconds);
}

}  // namespace

void stall_chart(Markup& markup, const std::string& id, const std::vector<Tool>& tools,
                 const LoadResult& load) {
  const Figure figure(markup, "Stalls: " + load.name,
                      "The ring is the 99th percentile, the dot the worst; logarithmic. Without "
                      "any copy, the two marks: " +
                          stalls_text(load.alone) + ". Further left is better.");
  std::vector<Row> entries;
  std::string description = "Without any copy: " + stalls_text(load.alone) + ". ";
  LogRange range;
  add(range, load.alone);
  for (std::size_t i = 0; i < load.timings.size(); ++i) {
    const LiveTiming& timing = load.timings[i];
    add(range, timing.with_copies);
    entries.push_back({timing.tool, i, stalls_text(timing.with_copies), false});
    description += tools.at(timing.tool).name + ": " + entries.back().figure + ". ";
  }
  const Rows rows(tools, entries, 0);
  const LogScale scale = range.scale(6, kChartWidth - 6);
  Svg svg(markup, {id, "How long the writers had to wait: " + load.name, description},
          rows.height_with_axis());
  rows.draw_axis(svg, scale.ticks(round_seconds_text),
                 [&](double value) { return scale.at(value); });
  rows.for_each([&](const Row& row, double y) {
    const Writing& writing = load.timings[row.entry].with_copies;
    const Tool& tool = rows.tool(row);
    for (const double value : {load.alone.p99_stall_seconds, load.alone.worst_stall_seconds}) {
      const double x = scale.at(value);
      if (value > 0) svg.line({x, y - 1}, {x, y + kBarHeight + 1}, "alone");
    }
    const Point p99{scale.at(writing.p99_stall_seconds), y + kBarHeight / 2};
    const Point worst{scale.at(writing.worst_stall_seconds), p99.y};
    svg.line(p99, worst, kind_class("stem", tool.kind));
    svg.circle(worst, 4.5, kind_class("dot", tool.kind),
               tool.name + ": worst " + seconds_text(writing.worst_stall_seconds));
    svg.circle(p99, 4, kind_class("ring", tool.kind),
               tool.name + ": p99 " + seconds_text(writing.p99_stall_seconds));
  });
  rows.draw_names(svg);
}

}  // namespace sqlbk::tool::bench::page
