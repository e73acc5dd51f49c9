#include "rows.hpp"

#include <array>

#include "text_width.hpp"

namespace sqlbk::tool::bench::page {
namespace {

constexpr double kHeadingHeight = 24;
constexpr double kRowHeight = 40;
constexpr double kNameSize = 13;

}  // namespace

const char* group_name(ToolKind kind) noexcept {
  return kind == ToolKind::strategy ? "sqlbk" : "others";
}

Weight name_weight(ToolKind kind) noexcept {
  return kind == ToolKind::strategy ? Weight::bold : Weight::regular;
}

std::string kind_class(const std::string& prefix, ToolKind kind) {
  return prefix + (kind == ToolKind::strategy ? " sqlbk" : " peer");
}

Rows::Rows(const std::vector<Tool>& tools, const std::vector<Row>& rows, double top)
    : tools_(tools), top_(top), bottom_(top) {
  for (const ToolKind kind : {ToolKind::strategy, ToolKind::peer}) {
    bool is_first = true;
    for (const Row& row : rows) {
      if (tools.at(row.tool).kind != kind) continue;
      if (is_first) {
        headings_.push_back({group_name(kind), bottom_ + 15});
        bottom_ += kHeadingHeight;
        is_first = false;
      }
      placed_.push_back({row, bottom_ + 20});
      bottom_ += kRowHeight;
    }
  }
}

void Rows::draw_axis(Svg& svg, const std::vector<Tick>& ticks,
                     const std::function<double(double)>& at) const {
  double free_from = -1;
  for (const Tick& tick : ticks) {
    const double x = at(tick.value);
    svg.line({x, top_}, {x, bottom_}, "grid");
    // At the edges the label stays inside of the chart.
    const double width = text_width(tick.label, {11});
    Anchor anchor = Anchor::middle;
    double left = x - width / 2;
    if (left < 0) {
      anchor = Anchor::start;
      left = x;
    } else if (left + width > kChartWidth) {
      anchor = Anchor::end;
      left = x - width;
    }
    if (left < free_from) continue;
    svg.text({x, bottom_ + 15}, {"tick", anchor}, tick.label);
    free_from = left + width + 4;
  }
}

void Rows::draw_names(Svg& svg) const {
  for (const Heading& heading : headings_) {
    svg.text({0, heading.y}, {heading.text == "sqlbk" ? "group sqlbk" : "group peer"},
             heading.text);
  }
  for (const Placed& placed : placed_) {
    const Tool& tool = tools_.at(placed.row.tool);
    const double y = placed.bar_y - 5;
    const Font font{kNameSize, placed.row.is_bad ? Weight::bold : Weight::regular};
    const std::string figure = fitted(placed.row.figure, font, kChartWidth * 0.62);
    const double room = kChartWidth - text_width(figure, font) - 12;
    svg.text({0, y}, {tool.kind == ToolKind::strategy ? "name sqlbk" : "name peer"},
             fitted(tool.name, {kNameSize, name_weight(tool.kind)}, room));
    svg.text({kChartWidth, y}, {placed.row.is_bad ? "figure bad" : "figure", Anchor::end}, figure);
  }
}

}  // namespace sqlbk::tool::bench::page
