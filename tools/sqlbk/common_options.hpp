// What the commands that do long work have in common on their command lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sqlbk/core/log.hpp"

namespace sqlbk::tool {

// --debug, else SQLBK_LOG, else warnings. Throws usage for a level that is none.
LogLevel log_level_asked(bool debug);

// Prints to standard error what is at least as bad as `most`.
LogSink make_log_sink(LogLevel most);

// Whether the flag is given, also where the command line cannot be understood as a whole.
bool has_flag(const std::vector<std::string>& arguments, std::string_view flag);

}  // namespace sqlbk::tool
