// quick_check and integrity_check: SQLite's own checkers.
#include <sstream>
#include <utility>

#include "image_connection.hpp"
#include "sqlbk/core/error.hpp"
#include "steps.hpp"

namespace sqlbk::checkpoint {
namespace {

// A row of the pragma may hold several lines, the first of them a title.
void add_findings(const std::string& row, std::vector<std::string>& findings) {
  std::istringstream lines(row);
  for (std::string line; std::getline(lines, line);) {
    if (line != "ok" && !line.empty() && !line.starts_with("*** in database")) {
      findings.push_back(line);
    }
  }
}

class StructureCheckStep final : public PostStep {
 public:
  explicit StructureCheckStep(std::string pragma) : pragma_(std::move(pragma)) {}

  std::string_view name() const noexcept override { return pragma_; }
  StepTraits traits() const noexcept override { return {.reads_content = true}; }

  StepReport run(StagedImage& image, RunContext& context) override {
    image.close_files();
    StepReport report{.name = pragma_, .verdict = StepVerdict::ok, .findings = {}, .elapsed = {}};
    try {
      sqlite::Connection connection = open_for_reading(image, context);
      sqlite::Statement rows(connection, "PRAGMA " + pragma_);
      while (rows.step()) {
        add_findings(rows.text(0), report.findings);
      }
      if (!report.findings.empty()) report.verdict = StepVerdict::damaged;
    } catch (const Error& error) {
      context.tick();  // was it us who stopped the statement?
      const bool damaged = error.code() == Errc::damaged || error.code() == Errc::not_a_database;
      report.verdict = damaged ? StepVerdict::damaged : StepVerdict::could_not_check;
      report.findings.emplace_back(error.what());
    }
    remove_leftovers(image);
    return report;
  }

 private:
  std::string pragma_;
};

}  // namespace

std::unique_ptr<PostStep> make_quick_check(const std::string& /*argument*/) {
  return std::make_unique<StructureCheckStep>("quick_check");
}

std::unique_ptr<PostStep> make_integrity_check(const std::string& /*argument*/) {
  return std::make_unique<StructureCheckStep>("integrity_check");
}

}  // namespace sqlbk::checkpoint
