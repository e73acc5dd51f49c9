// What the tool prints for people. Only here is anything written to a standard stream: whatever
// does not stand in the tool's own source is escaped on its way, so that no name in a schema, no
// path and no message of another program can steer a terminal or look like a line of the tool's.
// Thread-safety: as std::ostream.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <iosfwd>
#include <string>
#include <string_view>

namespace sqlbk::tool {

class TextOutput {
 public:
  // REQUIRES: `out` outlives it.
  explicit TextOutput(std::ostream& out) : out_(out) {}

  // A literal of the source, as it is.
  template <std::size_t kSize>
  TextOutput& operator<<(const char (&literal)[kSize]) {
    return own(std::string_view(literal, kSize - 1));
  }
  // A buffer is no literal.
  template <std::size_t kSize>
  TextOutput& operator<<(char (&buffer)[kSize]) = delete;
  // Everything else that is text: a part of one line.
  TextOutput& operator<<(std::string_view text);
  TextOutput& operator<<(char character);
  template <std::integral Number>
  TextOutput& operator<<(Number number) {
    return own(std::to_string(number));
  }
  // Lines that this program itself has put together from nothing but its own text.
  TextOutput& own(std::string_view text);

  void flush();
  bool failed() const;
  // Why the first write that failed did so; 0: not known.
  int os_errno() const noexcept { return os_errno_.load(); }

 private:
  void note_failure();

  std::ostream& out_;
  std::atomic<int> os_errno_{0};  // the progress bar has a thread of its own
};

TextOutput& standard_output();
TextOutput& standard_error();

}  // namespace sqlbk::tool
