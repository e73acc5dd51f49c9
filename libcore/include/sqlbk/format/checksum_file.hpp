// The files that sha256sum(1) writes and checks: one digest and one file name a line. Pure: text
// in, values out. Thread-safety: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sqlbk::format {

struct ChecksumLine {
  std::string digest;  // hexadecimal, lower case
  std::string name;    // relative to the directory of the checksum file
  friend bool operator==(const ChecksumLine&, const ChecksumLine&) = default;
};

// A name with a backslash or a newline is escaped, and its line marked, as sha256sum does.
std::string to_text(const std::vector<ChecksumLine>& lines);

// Lines that are not a SHA-256 and a name are left out, as sha256sum does.
std::vector<ChecksumLine> parse_checksum_lines(std::string_view text);

}  // namespace sqlbk::format
