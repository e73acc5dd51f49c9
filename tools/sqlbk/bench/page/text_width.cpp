#include "text_width.hpp"

#include "utf8.hpp"

namespace sqlbk::tool::bench::page {
namespace {

constexpr std::string_view kEllipsis = "…";

// In ems, of wide sans-serif fonts, half bold.
double character_width(std::string_view character) {
  constexpr std::string_view kNarrow = "iljtfrI.,:;'|!()[]/ -`";
  constexpr std::string_view kWide = "mwMWOQGND@%&#+<>=~^";
  if (character == kEllipsis) return 1;
  if (character.size() > 1) return 1.1;
  if (kNarrow.find(character) != std::string_view::npos) return 0.42;
  if (kWide.find(character) != std::string_view::npos) return 0.95;
  const bool is_tall = character >= "A" && character <= "Z";
  return is_tall ? 0.74 : 0.64;
}

}  // namespace

double text_width(std::string_view text, double font_size) {
  double ems = 0;
  while (!text.empty()) {
    const std::string_view character = next_character(text);
    text.remove_prefix(character.size());
    ems += character_width(character);
  }
  return ems * font_size;
}

std::string fitted(std::string_view text, double font_size, double width) {
  if (text_width(text, font_size) <= width) return std::string(text);
  double left = width - text_width(kEllipsis, font_size);
  std::string result;
  while (!text.empty()) {
    const std::string_view character = next_character(text);
    text.remove_prefix(character.size());
    left -= text_width(character, font_size);
    if (left < 0) break;
    result += character;
  }
  return result + std::string(kEllipsis);
}

}  // namespace sqlbk::tool::bench::page
