// Text character by character, broken or not. Thread-safety: pure functions.
#pragma once

#include <string_view>

namespace sqlbk::tool::bench::page {

// The bytes of the first character; one byte where it is not valid. REQUIRES: text is not empty.
std::string_view next_character(std::string_view text) noexcept;

// Whether what next_character() gave is a character that XML may hold, control bytes aside.
bool is_valid(std::string_view character) noexcept;

}  // namespace sqlbk::tool::bench::page
