// quick_check and integrity_check: SQLite's own checkers.
#include <utility>

#include "check_result.hpp"
#include "image_connection.hpp"
#include "pragma_check.hpp"
#include "steps.hpp"

namespace sqlbk::checkpoint {
namespace {

class StructureCheckStep final : public PostStep {
 public:
  explicit StructureCheckStep(std::string pragma) : pragma_(std::move(pragma)) {}

  std::string_view name() const noexcept override { return pragma_; }
  StepTraits traits() const noexcept override { return {.reads_content = true}; }

  StepReport run(StagedImage& image, RunContext& context) override {
    image.close_files();
    StepReport report = run_check(pragma_, context, [&](StepReport& found) {
      sqlite::Connection connection = open_for_reading(image, context);
      check_structure(connection, pragma_, found);
    });
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
