// The style sheet of the page: light, dark, print, small screens.
#pragma once

#include <string_view>

namespace sqlbk::tool::bench::page {

// Well-formed within XML: no '<' and no '&'.
std::string_view style_sheet() noexcept;

}  // namespace sqlbk::tool::bench::page
