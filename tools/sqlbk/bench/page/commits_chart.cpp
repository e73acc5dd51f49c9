#include <algorithm>
#include <string>

#include "charts.hpp"
#include "figure.hpp"
#include "figures.hpp"
#include "rows.hpp"

namespace sqlbk::tool::bench::page {
namespace {

std::string rate_text(double commits_per_second) {
  return number_text(commits_per_second) + "/s";
}

std::string round_rate_text(double commits_per_second) {
  return round_number_text(commits_per_second) + "/s";
}

}  // namespace

void commits_chart(Markup& markup, const std::string& id, const std::vector<Tool>& tools,
                   const LoadResult& load) {
  const double alone = load.alone.commits_per_second;
  // Without a commit there is nothing to be relative to.
  const bool is_relative = alone > 0;
  const Figure figure(markup, "Commits: " + load.name,
                      "Without any copy: " + rate_text(alone) +
                          (is_relative ? ", the mark at 100 %. Longer is better." : "."));
  std::vector<Row> entries;
  double most = is_relative ? 1 : 0;
  std::string description = "Without any copy: " + rate_text(alone) + ". ";
  const auto value_of = [&](const LiveTiming& timing) {
    const double commits = timing.with_copies.commits_per_second;
    return is_relative ? commits / alone : commits;
  };
  for (std::size_t i = 0; i < load.timings.size(); ++i) {
    const LiveTiming& timing = load.timings[i];
    std::string text = rate_text(timing.with_copies.commits_per_second);
    if (is_relative) text = percent_text(value_of(timing)).append(" (").append(text).append(")");
    description += tools.at(timing.tool).name + ": " + text + ". ";
    most = std::max(most, value_of(timing));
    entries.push_back({timing.tool, i, std::move(text), false});
  }
  const Rows rows(tools, entries, 0);
  const LinearScale scale(most, 0, kChartWidth - 2);
  Svg svg(markup, {id, "Commits per second while copies are made: " + load.name, description},
          rows.height_with_axis());
  rows.draw_axis(svg, scale.ticks(is_relative ? percent_text : round_rate_text),
                 [&](double value) { return scale.at(value); });
  rows.for_each([&](const Row& row, double y) {
    const Tool& tool = rows.tool(row);
    svg.rectangle({0, y}, std::max(1.0, scale.at(value_of(load.timings[row.entry]))), kBarHeight,
                  kind_class("bar", tool.kind), tool.name + ": " + row.figure);
    if (is_relative) svg.line({scale.at(1), y - 3}, {scale.at(1), y + kBarHeight + 3}, "alone");
  });
  rows.draw_names(svg);
}

}  // namespace sqlbk::tool::bench::page
