// Shapes of an inline SVG. Coordinates are units of its viewBox. Thread-safety: one thread at a
// time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "markup.hpp"

namespace sqlbk::tool::bench::page {

// All charts have this width, the room of one column; text then looks the same in all of them.
inline constexpr double kChartWidth = 420;

struct Point {
  double x = 0;
  double y = 0;
};

enum class Anchor { start, middle, end };

struct TextStyle {
  std::string_view css_class = "figure";
  Anchor anchor = Anchor::start;
};

struct SvgText {
  std::string id;           // unique on the page
  std::string title;        // what a screen reader says first
  std::string description;  // the figures, in words
};

// Open while it lives.
class [[nodiscard]] Svg {
 public:
  Svg(Markup& markup, const SvgText& text, double height);

  Markup& markup() { return markup_; }
  // `name` is what the shape says when one points at it; "": nothing.
  void rectangle(Point at, double width, double height, std::string_view css_class,
                 std::string_view name = {});
  void line(Point from, Point to, std::string_view css_class);
  void polyline(const std::vector<Point>& points, std::string_view css_class);
  void polygon(const std::vector<Point>& points, std::string_view css_class);
  void circle(Point at, double radius, std::string_view css_class, std::string_view name = {});
  void text(Point at, const TextStyle& style, std::string_view text);

 private:
  void shape(std::string_view name, const Attributes& attributes, std::string_view title);

  Markup& markup_;
  Element element_;
};

// With one decimal at most; "0" for what is no number.
std::string coordinate(double value);

}  // namespace sqlbk::tool::bench::page
