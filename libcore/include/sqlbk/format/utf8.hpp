// Text character by character, well-formed UTF-8 or not. Thread-safety: pure functions.
#pragma once

#include <optional>
#include <string_view>

namespace sqlbk::format {

struct Utf8Character {
  std::string_view bytes;         // one byte where it is not well-formed
  std::optional<char32_t> value;  // nullopt: not well-formed
};

// REQUIRES: text is not empty.
Utf8Character next_character(std::string_view text) noexcept;

}  // namespace sqlbk::format
