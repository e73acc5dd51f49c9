#include "svg.hpp"

#include <array>
#include <cmath>
#include <cstdio>

namespace sqlbk::tool::bench::page {
namespace {

std::string points_text(const std::vector<Point>& points) {
  std::string result;
  for (const Point& point : points) {
    if (!result.empty()) result += ' ';
    result += coordinate(point.x) + ',' + coordinate(point.y);
  }
  return result;
}

const char* anchor_text(Anchor anchor) {
  switch (anchor) {
    case Anchor::start:
      return "start";
    case Anchor::middle:
      return "middle";
    case Anchor::end:
      return "end";
  }
  return "start";
}

}  // namespace

std::string coordinate(double value) {
  if (!std::isfinite(value)) return "0";
  std::array<char, 512> text{};
  static_cast<void>(std::snprintf(text.data(), text.size(), "%.1f", value));
  std::string result = text.data();
  if (result.size() > 2 && result.substr(result.size() - 2) == ".0") {
    result.resize(result.size() - 2);
  }
  return result == "-0" ? "0" : result;
}

Svg::Svg(Markup& markup, const SvgText& text, double height)
    : markup_(markup),
      element_(markup, "svg",
               {{"viewBox", "0 0 " + coordinate(kChartWidth) + ' ' + coordinate(height)},
                {"role", "img"},
                {"aria-labelledby", text.id + "-title " + text.id + "-desc"}}) {
  markup.element("title", {{"id", text.id + "-title"}}, text.title);
  markup.element("desc", {{"id", text.id + "-desc"}}, text.description);
}

void Svg::shape(std::string_view name, const Attributes& attributes, std::string_view title) {
  if (title.empty()) {
    markup_.empty(name, attributes);
    return;
  }
  const Element element(markup_, name, attributes);
  markup_.element("title", title);
}

void Svg::rectangle(Point at, double width, double height, std::string_view css_class,
                    std::string_view name) {
  shape("rect",
        {{"class", std::string(css_class)},
         {"x", coordinate(at.x)},
         {"y", coordinate(at.y)},
         {"width", coordinate(width)},
         {"height", coordinate(height)}},
        name);
}

void Svg::line(Point from, Point to, std::string_view css_class) {
  markup_.empty("line", {{"class", std::string(css_class)},
                         {"x1", coordinate(from.x)},
                         {"y1", coordinate(from.y)},
                         {"x2", coordinate(to.x)},
                         {"y2", coordinate(to.y)}});
}

void Svg::polyline(const std::vector<Point>& points, std::string_view css_class) {
  markup_.empty("polyline", {{"class", std::string(css_class)}, {"points", points_text(points)}});
}

void Svg::polygon(const std::vector<Point>& points, std::string_view css_class) {
  markup_.empty("polygon", {{"class", std::string(css_class)}, {"points", points_text(points)}});
}

void Svg::circle(Point at, double radius, std::string_view css_class, std::string_view name) {
  shape("circle",
        {{"class", std::string(css_class)},
         {"cx", coordinate(at.x)},
         {"cy", coordinate(at.y)},
         {"r", coordinate(radius)}},
        name);
}

void Svg::text(Point at, const TextStyle& style, std::string_view text) {
  markup_.element("text",
                  {{"class", std::string(style.css_class)},
                   {"x", coordinate(at.x)},
                   {"y", coordinate(at.y)},
                   {"text-anchor", anchor_text(style.anchor)}},
                  text);
}

}  // namespace sqlbk::tool::bench::page
