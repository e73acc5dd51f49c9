#include "markup.hpp"

#include "utf8.hpp"

namespace sqlbk::tool::bench::page {
namespace {

// A line break behind these would be seen as a space.
bool is_inside_a_line(std::string_view name) {
  return name == "em" || name == "code" || name == "bdi" || name == "b";
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::string_view character = next_character(text);
    const unsigned char first = static_cast<unsigned char>(character.front());
    text.remove_prefix(character.size());
    if (character == "&") {
      result += "&amp;";
    } else if (character == "<") {
      result += "&lt;";
    } else if (character == ">") {
      result += "&gt;";
    } else if (character == "\"") {
      result += "&quot;";
    } else if (!is_valid(character) || first == 0x7f ||
               (first < 0x20 && first != '\n' && first != '\t')) {
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
