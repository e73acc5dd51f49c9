#include "terminal.hpp"

#include <cerrno>
#include <iostream>

#include "sqlbk/core/printable.hpp"

namespace sqlbk::tool {

TextOutput& TextOutput::operator<<(std::string_view text) {
  return own(printable(text));
}

TextOutput& TextOutput::operator<<(char character) {
  const std::string_view text(&character, 1);
  return character == '\n' ? own(text) : *this << text;
}

TextOutput& TextOutput::own(std::string_view text) {
  if (failed()) return *this;
  errno = 0;
  out_ << text;
  note_failure();
  return *this;
}

void TextOutput::flush() {
  if (failed()) return;
  errno = 0;
  out_.flush();
  note_failure();
}

bool TextOutput::failed() const {
  return !out_;
}

void TextOutput::note_failure() {
  if (failed()) os_errno_ = errno;
}

TextOutput& standard_output() {
  static TextOutput output(std::cout);
  return output;
}

TextOutput& standard_error() {
  static TextOutput output(std::cerr);
  return output;
}

}  // namespace sqlbk::tool
