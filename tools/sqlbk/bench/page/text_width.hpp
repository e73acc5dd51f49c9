// How much room text takes in a chart. SVG does not wrap, and only the reader's browser knows its
// font: these are estimates on the safe side. Thread-safety: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace sqlbk::tool::bench::page {

enum class Weight { regular, bold };

struct Font {
  double size = 0;
  Weight weight = Weight::regular;
};

double text_width(std::string_view text, Font font);

// As much of the text as fits, with "…" for what was cut out of its middle: names that begin alike
// often end differently.
std::string fitted(std::string_view text, Font font, double width);

}  // namespace sqlbk::tool::bench::page
