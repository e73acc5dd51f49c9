// Text for people: errors, exit codes, sizes, times.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "sqlbk/core/error.hpp"
#include "terminal.hpp"

namespace sqlbk::tool {

// "sqlbk: MESSAGE" and, on a line of its own, "hint: HINT".
void print_error(TextOutput& out, const Error& error);
// The exit codes with their meanings, from the table of codes.
void print_exit_codes(TextOutput& out);

std::string now_in_utc();                                    // "2024-03-01T09:30:00Z"
std::string format_bytes(std::uint64_t bytes);               // "1.5 GiB"
std::string format_duration(std::chrono::nanoseconds time);  // "12 ms", "3.2 s", "2:05 min"

// "90s", "5m", "2h", "250ms", "1.5s", or a plain number of seconds. Throws usage, naming `option`.
std::chrono::milliseconds parse_duration(const std::string& text, const std::string& option);
// The same, where a plain number is microseconds.
std::chrono::microseconds parse_short_duration(const std::string& text, const std::string& option);
// "64K", "10M", "1G", "1GiB", or a plain number of bytes; units of 1024. Throws usage.
std::uint64_t parse_bytes(const std::string& text, const std::string& option);

}  // namespace sqlbk::tool
