// What the commands that do long work have in common on their command lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/program_options.hpp>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/log.hpp"

namespace sqlbk::tool {

// The options, and what stands between them as "operand". Throws usage, with a hint at the help of
// the command.
boost::program_options::variables_map parse_arguments(
    boost::program_options::options_description options, const std::vector<std::string>& arguments,
    const std::string& command);

// As --help shows them.
std::string text_of(const boost::program_options::options_description& options);

// Where a usage error has no hint of its own: that at the help of the command.
void hint_at_help(Error& error, std::string_view command);

// --debug, else SQLBK_LOG, else warnings. Throws usage for a level that is none.
LogLevel log_level_asked(bool debug);

// Prints to standard error what is at least as bad as `most`.
LogSink make_log_sink(LogLevel most);

// Whether the flag is given, also where the command line cannot be understood as a whole.
bool has_flag(const std::vector<std::string>& arguments, std::string_view flag);

}  // namespace sqlbk::tool
