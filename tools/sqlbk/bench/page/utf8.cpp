#include "utf8.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace sqlbk::tool::bench::page {
namespace {

// By its first byte; 0: no character begins so.
std::size_t length_of(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  if (first >= 0xf0 && first < 0xf5) return 4;
  return 0;
}

bool is_well_formed(std::string_view character) {
  constexpr std::array<std::uint32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  const std::size_t length = length_of(static_cast<unsigned char>(character.front()));
  if (length != character.size()) return false;
  if (length == 1) return true;
  std::uint32_t value = static_cast<unsigned char>(character.front()) & (0x7fU >> length);
  for (const char byte : character.substr(1)) {
    if ((static_cast<unsigned char>(byte) & 0xc0U) != 0x80U) return false;
    value = value << 6U | (static_cast<unsigned char>(byte) & 0x3fU);
  }
  const bool is_surrogate = value >= 0xd800 && value < 0xe000;
  return value >= kSmallest[length] && value <= 0x10ffff && !is_surrogate;
}

}  // namespace

std::string_view next_character(std::string_view text) noexcept {
  const std::size_t length = length_of(static_cast<unsigned char>(text.front()));
  const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
  return is_well_formed(character) ? character : text.substr(0, 1);
}

bool is_valid(std::string_view character) noexcept {
  return is_well_formed(character) && character != "\xef\xbf\xbe" && character != "\xef\xbf\xbf";
}

}  // namespace sqlbk::tool::bench::page
