#include "text_width.hpp"

#include <deque>

#include "sqlbk/format/utf8.hpp"

namespace sqlbk::tool::bench::page {
namespace {

constexpr std::string_view kEllipsis = "…";

// In ems of a wide bold font, DejaVu Sans; others are narrower.
double character_width(std::string_view character) {
  constexpr std::string_view kNarrow = "iljtfrI.,:;'|!()[]/ -`";
  constexpr std::string_view kWide = "mwMOQGNDU&#+<>=~^";
  constexpr std::string_view kWidest = "W@%";
  if (character == kEllipsis) return 1;
  if (character.size() > 1) return 1.1;
  if (kNarrow.find(character) != std::string_view::npos) return 0.49;
  if (kWidest.find(character) != std::string_view::npos) return 1.12;
  if (kWide.find(character) != std::string_view::npos) return 1.0;
  const bool is_tall = character >= "A" && character <= "Z";
  return is_tall ? 0.79 : 0.7;
}

double factor(Font font) {
  return font.size * (font.weight == Weight::bold ? 1 : 0.9);
}

}  // namespace

double text_width(std::string_view text, Font font) {
  double ems = 0;
  while (!text.empty()) {
    const std::string_view character = format::next_character(text).bytes;
    text.remove_prefix(character.size());
    ems += character_width(character);
  }
  return ems * factor(font);
}

std::string fitted(std::string_view text, Font font, double width) {
  if (text_width(text, font) <= width) return std::string(text);
  std::deque<std::string_view> middle;
  while (!text.empty()) {
    middle.push_back(format::next_character(text).bytes);
    text.remove_prefix(middle.back().size());
  }
  double left = width - text_width(kEllipsis, font);
  std::string head;
  std::string tail;
  // One from the start, one from the end, as long as there is room.
  for (bool from_start = true; !middle.empty(); from_start = !from_start) {
    const std::string_view character = from_start ? middle.front() : middle.back();
    left -= text_width(character, font);
    if (left < 0) break;
    if (from_start) {
      head += character;
      middle.pop_front();
    } else {
      tail.insert(0, character);
      middle.pop_back();
    }
  }
  return head + std::string(kEllipsis) + tail;
}

}  // namespace sqlbk::tool::bench::page
