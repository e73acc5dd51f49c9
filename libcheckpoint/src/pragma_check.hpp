// SQLite's own checkers on an open connection. Private to libcheckpoint.
#pragma once

#include <string>

#include "sqlbk/core/report.hpp"
#include "sqlbk/core/sqlite.hpp"

namespace sqlbk::checkpoint {

// `pragma`: "integrity_check", "quick_check", either with an argument "(TABLE)". Adds what is
// found.
void check_structure(sqlite::Connection& connection, const std::string& pragma, StepReport& report);

// Adds rows that refer to nothing, at most a hundred of them.
void check_foreign_keys(sqlite::Connection& connection, StepReport& report);

}  // namespace sqlbk::checkpoint
