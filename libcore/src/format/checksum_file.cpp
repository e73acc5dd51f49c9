#include "sqlbk/format/checksum_file.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>

namespace sqlbk::format {
namespace {

constexpr std::size_t kDigestSize = 64;

bool is_hexadecimal(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

char to_lower(char c) {
  return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string unescaped(std::string_view name) {
  std::string plain;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '\\' || i + 1 == name.size()) {
      plain += name[i];
      continue;
    }
    ++i;
    plain += name[i] == 'n' ? '\n' : name[i] == 'r' ? '\r' : name[i];
  }
  return plain;
}

std::optional<ChecksumLine> parse_line(std::string_view line) {
  const bool is_escaped = line.starts_with('\\');
  if (is_escaped) line.remove_prefix(1);
  if (line.size() < kDigestSize + 3) return std::nullopt;
  const std::string_view digest = line.substr(0, kDigestSize);
  const bool has_mode = line[kDigestSize + 1] == ' ' || line[kDigestSize + 1] == '*';
  if (!std::ranges::all_of(digest, is_hexadecimal) || line[kDigestSize] != ' ' || !has_mode) {
    return std::nullopt;
  }
  ChecksumLine result;
  std::ranges::transform(digest, std::back_inserter(result.digest), to_lower);
  const std::string_view name = line.substr(kDigestSize + 2);
  result.name = is_escaped ? unescaped(name) : std::string(name);
  return result;
}

}  // namespace

std::string to_text(const std::vector<ChecksumLine>& lines) {
  std::string text;
  for (const ChecksumLine& line : lines) {
    std::string name;
    for (const char c : line.name) {
      if (c == '\\') {
        name += "\\\\";
      } else if (c == '\n') {
        name += "\\n";
      } else {
        name += c;
      }
    }
    if (name != line.name) text += '\\';
    text += line.digest + "  " + name + '\n';
  }
  return text;
}

std::vector<ChecksumLine> parse_checksum_lines(std::string_view text) {
  std::vector<ChecksumLine> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (std::optional<ChecksumLine> line = parse_line(text.substr(0, end))) {
      lines.push_back(std::move(*line));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace sqlbk::format
