#include "markup.hpp"

#include "sqlbk/format/utf8.hpp"

namespace sqlbk::tool::bench::page {
namespace {

// A line break behind these would be seen as a space.
bool is_inside_a_line(std::string_view name) {
  return name == "em" || name == "code" || name == "bdi" || name == "b";
}

// Of XML 1.0, without those that it discourages.
bool may_hold(char32_t value) {
  if (value == '\n' || value == '\t') return true;
  return value >= 0x20 && value != 0x7f && value != 0xfffe && value != 0xffff;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const auto [character, value] = format::next_character(text);
    text.remove_prefix(character.size());
    if (character == "&") {
      result += "&amp;";
    } else if (character == "<") {
      result += "&lt;";
    } else if (character == ">") {
      result += "&gt;";
    } else if (character == "\"") {
      result += "&quot;";
    } else if (!value || !may_hold(*value)) {
      result += "\xef\xbf\xbd";
    } else {
      result += character;
    }
  }
  return result;
}

void Markup::start(std::string_view name, const Attributes& attributes) {
  out_ += '<';
  out_ += name;
  for (const auto& [key, value] : attributes) {
    out_ += ' ';
    out_ += key;
    out_ += "=\"";
    out_ += escaped(value);
    out_ += '"';
  }
}

void Markup::end(std::string_view name) {
  out_ += "</";
  out_ += name;
  out_ += '>';
  if (!is_inside_a_line(name)) out_ += '\n';
}

void Markup::element(std::string_view name, const Attributes& attributes, std::string_view text) {
  start(name, attributes);
  out_ += '>';
  this->text(text);
  end(name);
}

void Markup::empty(std::string_view name, const Attributes& attributes) {
  start(name, attributes);
  out_ += "/>\n";
}

}  // namespace sqlbk::tool::bench::page
