// The frame of every chart with a bar for each tool: sqlbk's tools first, the others below; a
// tool's name and its figure stand over its bar, so that a long name does not cost the bar its
// room. Thread-safety: one thread at a time.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "../results.hpp"
#include "scale.hpp"
#include "svg.hpp"
#include "text_width.hpp"

namespace sqlbk::tool::bench::page {

inline constexpr double kBarHeight = 13;

struct Row {
  std::size_t tool = 0;   // index into Results::tools
  std::size_t entry = 0;  // what the chart calls it
  std::string figure;     // to the right of the name
  bool is_bad = false;    // the figure is a warning
};

class Rows {
 public:
  // Keeps the order of the rows within the two groups. `top`: room for a legend.
  Rows(const std::vector<Tool>& tools, const std::vector<Row>& rows, double top);

  double bottom() const noexcept { return bottom_; }
  // With the axis below, where the chart has one.
  double height_with_axis() const noexcept { return bottom_ + 22; }

  // Lines through all the rows, and their labels below.
  void draw_axis(Svg& svg, const std::vector<Tick>& ticks,
                 const std::function<double(double)>& at) const;
  void draw_names(Svg& svg) const;
  // Calls `draw` with a row and the top of its bar.
  template <typename Draw>
  void for_each(Draw draw) const {
    for (const Placed& placed : placed_) draw(placed.row, placed.bar_y);
  }
  const Tool& tool(const Row& row) const { return tools_.at(row.tool); }

 private:
  struct Placed {
    Row row;
    double bar_y;
  };
  struct Heading {
    std::string text;
    double y;
  };

  const std::vector<Tool>& tools_;
  std::vector<Placed> placed_;
  std::vector<Heading> headings_;
  double top_;
  double bottom_;
};

// "sqlbk" or "others": how a group of tools is called everywhere on the page.
const char* group_name(ToolKind kind) noexcept;
// sqlbk's names are bold.
Weight name_weight(ToolKind kind) noexcept;
// The group as a class of the style sheet, with a prefix: "bar sqlbk".
std::string kind_class(const std::string& prefix, ToolKind kind);

}  // namespace sqlbk::tool::bench::page
