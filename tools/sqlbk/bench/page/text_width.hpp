// How much room text takes in a chart. SVG does not wrap, and only the reader's browser knows its
// font: these are estimates on the safe side. Thread-safety: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace sqlbk::tool::bench::page {

double text_width(std::string_view text, double font_size);

// As much of the text as fits, with "…" where something was cut off.
std::string fitted(std::string_view text, double font_size, double width);

}  // namespace sqlbk::tool::bench::page
