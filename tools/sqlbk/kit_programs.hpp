// Where the programs of bench/kit are that the tool starts. Thread-safety: pure.
#pragma once

#include <string>

namespace sqlbk::tool {

// The live-writer: named by SQLBK_LIVE_WRITER, else beside an installed sqlbk, or in the build
// folder that sqlbk runs from. run-measured lies in the same place. Throws io_error, saying that
// `purpose` needs it.
std::string find_live_writer(const std::string& purpose);
std::string find_run_measured(const std::string& purpose);

}  // namespace sqlbk::tool
