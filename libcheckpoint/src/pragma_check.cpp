#include "pragma_check.hpp"

#include <cstddef>
#include <sstream>
#include <string_view>

#include "sqlbk/core/error.hpp"

namespace sqlbk::checkpoint {
namespace {

constexpr std::string_view kTitle = "*** in database";
// As many as integrity_check reports by itself.
constexpr std::size_t kMostFindings = 100;

// A row that begins with a title holds several findings, a line each, and no name from the schema.
// Every other row is one finding, and a line break in it is part of a name.
void add_findings(const std::string& row, std::vector<std::string>& findings) {
  if (!row.starts_with(kTitle)) {
    if (row != "ok") findings.push_back(row);
    return;
  }
  std::istringstream lines(row);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && !line.starts_with(kTitle)) findings.push_back(line);
  }
}

}  // namespace

void check_structure(sqlite::Connection& connection, const std::string& pragma,
                     StepReport& report) {
  sqlite::Statement rows(connection, "PRAGMA " + pragma);
  while (rows.step()) {
    add_findings(rows.text(0), report.findings);
  }
}

void check_foreign_keys(sqlite::Connection& connection, StepReport& report) {
  sqlite::Statement rows(connection, "PRAGMA foreign_key_check");
  while (rows.step()) {
    if (report.findings.size() == kMostFindings) {
      report.findings.emplace_back("and more");
      return;
    }
    // A table without rowids gives NULL for it.
    const std::string row = rows.is_null(1) ? "a row" : "row " + rows.text(1);
    report.findings.push_back(row + " of " + quoted(rows.text(0)) + " refers to a row of " +
                              quoted(rows.text(2)) + " that is not there");
  }
}

}  // namespace sqlbk::checkpoint
