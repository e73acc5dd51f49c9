#include "sqlbk/format/utf8.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace sqlbk::format {
namespace {

// By its first byte; 0: no character begins so.
std::size_t length_of(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  if (first >= 0xf0 && first < 0xf5) return 4;
  return 0;
}

std::optional<char32_t> decode(std::string_view character) {
  constexpr std::array<std::uint32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  const auto first = static_cast<unsigned char>(character.front());
  const std::size_t length = length_of(first);
  if (length == 0 || length != character.size()) return std::nullopt;
  if (length == 1) return first;
  std::uint32_t value = first & (0x7fU >> length);
  for (const char byte : character.substr(1)) {
    if ((static_cast<unsigned char>(byte) & 0xc0U) != 0x80U) return std::nullopt;
    value = value << 6U | (static_cast<unsigned char>(byte) & 0x3fU);
  }
  const bool is_surrogate = value >= 0xd800 && value < 0xe000;
  if (value < kSmallest[length] || value > 0x10ffff || is_surrogate) return std::nullopt;
  return value;
}

}  // namespace

Utf8Character next_character(std::string_view text) noexcept {
  const std::size_t length = length_of(static_cast<unsigned char>(text.front()));
  const std::string_view bytes = text.substr(0, std::max<std::size_t>(length, 1));
  const std::optional<char32_t> value = decode(bytes);
  return {.bytes = value ? bytes : text.substr(0, 1), .value = value};
}

}  // namespace sqlbk::format
