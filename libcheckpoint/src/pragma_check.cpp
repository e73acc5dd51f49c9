#include "pragma_check.hpp"

#include <cstddef>
#include <sstream>

#include "sqlbk/core/error.hpp"

namespace sqlbk::checkpoint {
namespace {

// As many as integrity_check reports by itself.
constexpr std::size_t kMostFindings = 100;

// A row of the pragma may hold several lines, the first of them a title.
void add_findings(const std::string& row, std::vector<std::string>& findings) {
  std::istringstream lines(row);
  for (std::string line; std::getline(lines, line);) {
    if (line != "ok" && !line.empty() && !line.starts_with("*** in database")) {
      findings.push_back(line);
    }
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
