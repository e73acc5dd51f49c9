// Text from outside (paths, names in a schema, SQLite's messages, other programs' names) made safe
// to print. Thread-safety: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace sqlbk {

// Whether a terminal shows this character as a part of the line: no control character (C0, DEL,
// C1), no line or paragraph separator, and none that changes the direction of the text around it.
bool is_printable(char32_t character) noexcept;

// `text` as a part of one line. What is not printable is escaped: a control byte, or one that is
// not UTF-8, as \x1b, every other character as \u202e or \U000e0001. A backslash stays as it is.
std::string printable(std::string_view text);

}  // namespace sqlbk
