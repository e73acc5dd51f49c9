// The lock file beside a database. Private to libcore.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sqlbk/core/live_files.hpp"

namespace sqlbk::users {

// As unix-dotfile, and what is like it, names its lock (DOTLOCK_SUFFIX in os_unix.c).
inline constexpr std::string_view kLockFileSuffix = ".lock";

// The text of "MAIN.lock", or of the link of that name; nullopt: there is none. A directory is none
// (unix-dotfile makes one; require_copyable() refuses it). "" where it cannot be read.
std::optional<std::string> read_lock_file(const LiveFiles& files);

// The numbers in it, from 2 on, which may be process ids.
std::vector<int> numbers_in(std::string_view text);

// The text is one number and nothing else.
bool is_one_number(std::string_view text);

}  // namespace sqlbk::users
