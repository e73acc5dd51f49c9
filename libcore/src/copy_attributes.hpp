// What a user should know of a copy's permissions. Private to libcore. Thread-safety: pure
// functions.
#pragma once

#include <string>
#include <vector>

#include "sqlbk/core/io.hpp"
#include "sqlbk/core/staged_target.hpp"

namespace sqlbk {

// What could not be kept, and above all where more users may read the copy than the source.
std::vector<std::string> warnings_of(const KeptAttributes& kept, const FileStat& source,
                                     const FileStat& copy, const std::string& destination);

// "1000:100 with mode 0644"
std::string access_to(const FileStat& file);
bool is_accessed_alike(const FileStat& a, const FileStat& b);

}  // namespace sqlbk
