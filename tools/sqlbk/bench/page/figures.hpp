// Numbers for readers: three digits, and the unit that suits. Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "../results.hpp"

namespace sqlbk::tool::bench::page {

// "840 µs", "84.0 ms", "1.24 s".
std::string seconds_text(double seconds);
// The same without zeros that say nothing, for axes: "50 ms", "2.5 s".
std::string round_seconds_text(double seconds);
// "4.21", "97.4", "12 300".
std::string number_text(double value);
std::string round_number_text(double value);
// "97 %", "0.4 %".
std::string percent_text(double share);
// "64 MiB", "1.5 GiB".
std::string size_text(std::uint64_t bytes);

unsigned bad_of(const LiveTiming& timing) noexcept;   // reported success, and is none
unsigned made_of(const LiveTiming& timing) noexcept;  // reported success
unsigned all_of(const LiveTiming& timing) noexcept;

// "3 runs", "1 run".
std::string counted(std::uint64_t count, const std::string& what);

}  // namespace sqlbk::tool::bench::page
