#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "charts.hpp"
#include "figure.hpp"
#include "figures.hpp"
#include "rows.hpp"
#include "text_width.hpp"

namespace sqlbk::tool::bench::page {
namespace {

constexpr double kLeft = 52;
constexpr double kRight = 252;  // of the lines; the tools' names follow
constexpr double kNames = 280;
constexpr double kTop = 28;
constexpr double kAxis = 40;  // below
constexpr double kNameStep = 15.5;
constexpr double kNameSize = 12;
constexpr unsigned kMarkers = 5;

// A tool's line, with its name beside the end.
struct Curve {
  std::size_t tool = 0;
  unsigned marker = 0;
  std::vector<Point> points;
  double name_y = 0;
  std::string figures;  // for the description
};

std::uint64_t bytes_of(const SizeResult& size) {
  return size.main_bytes + size.wal_bytes;
}

// From the smallest.
std::vector<const SizeResult*> sorted(const std::vector<SizeResult>& sizes) {
  std::vector<const SizeResult*> result;
  result.reserve(sizes.size());
  for (const SizeResult& size : sizes) result.push_back(&size);
  std::stable_sort(result.begin(), result.end(), [](const SizeResult* a, const SizeResult* b) {
    return bytes_of(*a) < bytes_of(*b);
  });
  return result;
}

class SizeAxis {
 public:
  explicit SizeAxis(const std::vector<const SizeResult*>& sizes)
      : least_(std::log(std::max<double>(1, static_cast<double>(bytes_of(*sizes.front()))))),
        most_(std::log(std::max<double>(1, static_cast<double>(bytes_of(*sizes.back()))))) {}

  double at(const SizeResult& size) const {
    if (most_ == least_) return (kLeft + kRight) / 2;
    const double value = std::log(std::max<double>(1, static_cast<double>(bytes_of(size))));
    return kLeft + 8 + (kRight - kLeft - 16) * (value - least_) / (most_ - least_);
  }

 private:
  double least_;
  double most_;
};

std::vector<Curve> curves_of(const Results& results, const std::vector<const SizeResult*>& sizes,
                             const SizeAxis& x, const LogScale& y) {
  std::vector<Curve> curves;
  for (std::size_t tool = 0; tool < results.tools.size(); ++tool) {
    Curve curve{tool, static_cast<unsigned>(curves.size() % kMarkers), {}, 0, {}};
    for (const SizeResult* size : sizes) {
      for (const Timing& timing : size->timings) {
        if (timing.tool != tool || timing.runs == 0) continue;
        curve.points.push_back({x.at(*size), y.at(timing.wall_seconds.median)});
        if (!curve.figures.empty()) curve.figures += ", ";
        curve.figures +=
            size_text(bytes_of(*size)) + ' ' + seconds_text(timing.wall_seconds.median);
      }
    }
    if (curve.points.empty()) continue;
    curve.name_y = curve.points.back().y;
    curves.push_back(std::move(curve));
  }
  return curves;
}

// Names that would overlap, and are moved apart around the middle of their lines' ends.
struct Block {
  double wanted = 0;  // the sum of where each would begin the block
  double count = 0;
  double top() const { return wanted / count; }
  double bottom() const { return top() + count * kNameStep; }
};

// Names keep the order of their lines' ends and a line's height between them.
void spread_names(std::vector<Curve>& curves, double bottom) {
  std::vector<Curve*> order;
  order.reserve(curves.size());
  for (Curve& curve : curves) order.push_back(&curve);
  std::stable_sort(order.begin(), order.end(),
                   [](const Curve* a, const Curve* b) { return a->name_y < b->name_y; });
  std::vector<Block> blocks;
  const auto held = [bottom](double top, double count) {
    return std::max(kTop, std::min(top, bottom - (count - 1) * kNameStep));
  };
  for (const Curve* curve : order) {
    Block block{curve->name_y, 1};
    while (!blocks.empty() && blocks.back().bottom() > block.top()) {
      const Block& above = blocks.back();
      block.wanted += above.wanted - block.count * above.count * kNameStep;
      block.count += above.count;
      blocks.pop_back();
    }
    block.wanted = held(block.top(), block.count) * block.count;
    blocks.push_back(block);
  }
  auto curve = order.begin();
  for (const Block& block : blocks) {
    for (int i = 0; i < static_cast<int>(block.count); ++i) {
      (*curve++)->name_y = block.top() + i * kNameStep;
    }
  }
}

void draw_marker(Svg& svg, Point at, unsigned marker, const std::string& css_class) {
  constexpr double r = 3.6;
  switch (marker) {
    case 0:
      svg.circle(at, r, css_class);
      break;
    case 1:
      svg.rectangle({at.x - r * 0.9, at.y - r * 0.9}, r * 1.8, r * 1.8, css_class);
      break;
    case 2:
      svg.polygon({{at.x, at.y - r * 1.2}, {at.x + r * 1.2, at.y + r}, {at.x - r * 1.2, at.y + r}},
                  css_class);
      break;
    case 3:
      svg.polygon({{at.x, at.y - r * 1.35},
                   {at.x + r * 1.35, at.y},
                   {at.x, at.y + r * 1.35},
                   {at.x - r * 1.35, at.y}},
                  css_class);
      break;
    default:
      svg.polygon({{at.x, at.y + r * 1.2}, {at.x + r * 1.2, at.y - r}, {at.x - r * 1.2, at.y - r}},
                  css_class);
  }
}

void draw_curve(Svg& svg, const Curve& curve, const Tool& tool) {
  const Point end = curve.points.back();
  svg.polyline({end, {kRight + 6, end.y}, {kNames - 12, curve.name_y}}, "leader");
  svg.polyline(curve.points, kind_class("curve", tool.kind));
  const std::string marker_class = kind_class("marker", tool.kind);
  for (const Point& point : curve.points) draw_marker(svg, point, curve.marker, marker_class);
  draw_marker(svg, {kNames - 6, curve.name_y}, curve.marker, marker_class);
  svg.text({kNames + 2, curve.name_y + 4},
           {tool.kind == ToolKind::strategy ? "name small sqlbk" : "name small peer"},
           fitted(tool.name, {kNameSize, name_weight(tool.kind)}, kChartWidth - kNames - 2));
}

void draw_key(Svg& svg) {
  double x = 0;
  for (const ToolKind kind : {ToolKind::strategy, ToolKind::peer}) {
    svg.line({x, 8}, {x + 26, 8}, kind_class("curve", kind));
    draw_marker(svg, {x + 13, 8}, 0, kind_class("marker", kind));
    svg.text({x + 32, 12}, {kind == ToolKind::strategy ? "group sqlbk" : "group peer"},
             group_name(kind));
    x += 96;
  }
}

void draw_axes(Svg& svg, const std::vector<const SizeResult*>& sizes, const SizeAxis& x,
               const LogScale& y, double bottom) {
  for (const Tick& tick : y.ticks(round_seconds_text)) {
    const double at = y.at(tick.value);
    svg.line({kLeft, at}, {kRight, at}, "grid");
    svg.text({kLeft - 6, at + 4}, {"tick", Anchor::end}, tick.label);
  }
  double free_from = 0;
  for (const SizeResult* size : sizes) {
    const double at = x.at(*size);
    const std::string label = size_text(bytes_of(*size));
    const double width = text_width(label, {11});
    svg.line({at, bottom + 6}, {at, bottom + 11}, "whisker");
    if (at - width / 2 < free_from) continue;
    svg.text({at, bottom + 24}, {"tick", Anchor::middle}, label);
    free_from = at + width / 2 + 4;
  }
}

}  // namespace

bool has_size_chart(const Results& results) {
  std::set<std::uint64_t> timed;
  for (const SizeResult& size : results.sizes) {
    const bool has_time = std::any_of(size.timings.begin(), size.timings.end(),
                                      [](const Timing& timing) { return timing.runs != 0; });
    if (has_time) timed.insert(bytes_of(size));
  }
  return timed.size() > 1;
}

void size_chart(Markup& markup, const Results& results) {
  const Figure figure(markup, "Wall time against size",
                      "Medians; both axes are logarithmic. The size is that of the main file and "
                      "its WAL. Lower is better.");
  const std::vector<const SizeResult*> sizes = sorted(results.sizes);
  LogRange range;
  for (const SizeResult* size : sizes) {
    for (const Timing& timing : size->timings) {
      if (timing.runs != 0) range.add(timing.wall_seconds.median);
    }
  }
  const double plot = std::max(300.0, kNameStep * (static_cast<double>(results.tools.size()) - 1));
  const double bottom = kTop + plot;
  const SizeAxis x(sizes);
  const LogScale y = range.scale(bottom, kTop);
  std::vector<Curve> curves = curves_of(results, sizes, x, y);
  spread_names(curves, bottom);
  std::string description;
  for (const Curve& curve : curves) {
    description += results.tools.at(curve.tool).name + ": " + curve.figures + ". ";
  }
  Svg svg(markup, {"size", "Wall time against size", description}, bottom + kAxis);
  draw_key(svg);
  draw_axes(svg, sizes, x, y, bottom);
  // sqlbk's over the others.
  for (const ToolKind kind : {ToolKind::peer, ToolKind::strategy}) {
    for (const Curve& curve : curves) {
      const Tool& tool = results.tools.at(curve.tool);
      if (tool.kind == kind) draw_curve(svg, curve, tool);
    }
  }
}

}  // namespace sqlbk::tool::bench::page
