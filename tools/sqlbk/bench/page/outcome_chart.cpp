#include <algorithm>
#include <string>

#include "charts.hpp"
#include "figure.hpp"
#include "figures.hpp"
#include "outcomes.hpp"
#include "rows.hpp"
#include "text_width.hpp"

namespace sqlbk::tool::bench::page {
namespace {

// One torn copy in a thousand must be seen.
constexpr double kThinnest = 3;

std::string figure_of(const LiveTiming& timing) {
  const unsigned all = all_of(timing);
  const std::string of_all = std::to_string(all);
  if (all == 0) return "no copies";
  if (const unsigned bad = bad_of(timing); bad != 0) {
    return std::to_string(bad) + " of " + of_all + " bad";
  }
  if (timing.good == all) return "all " + of_all + " good";
  if (timing.good == 0) return "none of " + of_all + " made";
  return std::to_string(timing.good) + " of " + of_all + " good";
}

std::string counts_text(const LiveTiming& timing) {
  std::string text;
  for (const Outcome& outcome : kOutcomes) {
    const unsigned count = timing.*outcome.count;
    if (count == 0) continue;
    if (!text.empty()) text += ", ";
    text += std::to_string(count) + ' ' + outcome.name;
  }
  return text.empty() ? "no copies" : text;
}

std::array<double, kOutcomes.size()> widths_of(const LiveTiming& timing) {
  std::array<double, kOutcomes.size()> widths{};
  double sum = 0;
  for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
    const unsigned count = timing.*kOutcomes[i].count;
    if (count == 0) continue;
    widths[i] = std::max(kThinnest, kChartWidth * count / all_of(timing));
    sum += widths[i];
  }
  *std::max_element(widths.begin(), widths.end()) -= std::max(0.0, sum - kChartWidth);
  return widths;
}

void draw_bar(Svg& svg, const LiveTiming& timing, double y) {
  if (all_of(timing) == 0) {
    svg.rectangle({0, y}, kChartWidth, kBarHeight, "nothing");
    return;
  }
  const auto widths = widths_of(timing);
  double x = 0;
  for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
    const Outcome& outcome = kOutcomes[i];
    if (widths[i] == 0) continue;
    const std::string count = std::to_string(timing.*outcome.count);
    svg.rectangle({x, y}, widths[i], kBarHeight, std::string("outcome ") + outcome.css_class,
                  count + ' ' + outcome.name + ": " + outcome.meaning);
    if (text_width(count, {10.5, Weight::bold}) + 4 < widths[i]) {
      svg.text({x + widths[i] / 2, y + kBarHeight - 2.8},
               {std::string("in-bar in-") + outcome.css_class, Anchor::middle}, count);
    }
    x += widths[i];
  }
}

}  // namespace

void outcome_chart(Markup& markup, const std::string& id, const std::vector<Tool>& tools,
                   const LoadResult& load) {
  std::string explanation = size_text(load.main_bytes);
  if (load.deadline_seconds > 0) {
    explanation += ", at most " + round_seconds_text(load.deadline_seconds) + " for a copy";
  }
  const Figure figure(markup, load.name, explanation);
  std::vector<Row> entries;
  std::string description;
  for (std::size_t i = 0; i < load.timings.size(); ++i) {
    const LiveTiming& timing = load.timings[i];
    entries.push_back({timing.tool, i, figure_of(timing), bad_of(timing) != 0});
    description += tools.at(timing.tool).name + ": " + counts_text(timing) + ". ";
  }
  const Rows rows(tools, entries, 0);
  Svg svg(markup, {id, "What became of the copies: " + load.name, description}, rows.bottom());
  rows.for_each([&](const Row& row, double y) { draw_bar(svg, load.timings[row.entry], y); });
  rows.draw_names(svg);
}

void outcome_legend(Markup& markup) {
  const Element list(markup, "ul", {{"class", "legend"}});
  for (const Outcome& outcome : kOutcomes) {
    const Element item(markup, "li");
    {
      const Element svg(markup, "svg",
                        {{"class", "swatch"}, {"viewBox", "0 0 22 13"}, {"aria-hidden", "true"}});
      markup.empty("rect", {{"class", std::string("outcome ") + outcome.css_class},
                            {"width", "22"},
                            {"height", "13"}});
    }
    markup.element("b", outcome.name);
    markup.text(std::string(" ") + outcome.meaning);
  }
}

void pattern_definitions(Markup& markup) {
  struct Pattern {
    const char* name;
    const char* path;
  };
  constexpr std::array<Pattern, 4> kPatterns{{
      {"timed-out", "M2 2h2v2h-2z"},
      {"torn", "M-1 1l2 -2M0 6l6 -6M5 7l2 -2"},
      {"stale", "M-1 5l2 2M0 0l6 6M5 -1l2 2"},
      {"unreadable", "M0 0l6 6M0 6l6 -6"},
  }};
  const Element svg(
      markup, "svg",
      {{"class", "definitions"}, {"width", "0"}, {"height", "0"}, {"aria-hidden", "true"}});
  const Element definitions(markup, "defs");
  for (const Pattern& pattern : kPatterns) {
    const Element element(markup, "pattern",
                          {{"id", std::string("pattern-") + pattern.name},
                           {"width", "6"},
                           {"height", "6"},
                           {"patternUnits", "userSpaceOnUse"}});
    markup.empty(
        "rect",
        {{"class", std::string("ground-") + pattern.name}, {"width", "6"}, {"height", "6"}});
    markup.empty("path", {{"class", std::string("lines-") + pattern.name}, {"d", pattern.path}});
  }
}

}  // namespace sqlbk::tool::bench::page
