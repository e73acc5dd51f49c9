#include "sqlbk/core/printable.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "sqlbk/format/utf8.hpp"

namespace sqlbk {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

constexpr std::array kHidden{
    Range{0x00, 0x1f},        // C0
    Range{0x7f, 0x9f},        // DEL and C1, where 0x9b begins an escape sequence by itself
    Range{0x061c, 0x061c},    // direction: Arabic letter mark
    Range{0x200e, 0x200f},    // direction: marks
    Range{0x2028, 0x202e},    // line and paragraph separator; direction: embeddings, overrides
    Range{0x2066, 0x206f},    // direction: isolates; deprecated format characters
    Range{0xfeff, 0xfeff},    // byte order mark
    Range{0xfff9, 0xfffb},    // interlinear annotation
    Range{0xe0000, 0xe007f},  // tags
};

std::string escaped(char kind, std::uint32_t value, unsigned digits) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text{'\\', kind};
  for (unsigned i = digits; i-- > 0;) text += kHex[value >> 4 * i & 15U];
  return text;
}

std::string escaped(const format::Utf8Character& character) {
  if (character.bytes.size() == 1) {
    return escaped('x', static_cast<unsigned char>(character.bytes.front()), 2);
  }
  return *character.value > 0xffff ? escaped('U', *character.value, 8)
                                   : escaped('u', *character.value, 4);
}

}  // namespace

bool is_printable(char32_t character) noexcept {
  return std::ranges::none_of(kHidden, [character](const Range& range) {
    return range.first <= character && character <= range.last;
  });
}

std::string printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const format::Utf8Character character = format::next_character(text);
    text.remove_prefix(character.bytes.size());
    if (character.value && is_printable(*character.value)) {
      result += character.bytes;
    } else {
      result += escaped(character);
    }
  }
  return result;
}

}  // namespace sqlbk
