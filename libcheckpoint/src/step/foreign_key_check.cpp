#include "check_result.hpp"
#include "image_connection.hpp"
#include "pragma_check.hpp"
#include "steps.hpp"

namespace sqlbk::checkpoint {
namespace {

class ForeignKeyCheckStep final : public PostStep {
 public:
  std::string_view name() const noexcept override { return "foreign_key_check"; }
  StepTraits traits() const noexcept override { return {.reads_content = true}; }

  StepReport run(StagedImage& image, RunContext& context) override {
    image.close_files();
    StepReport report = run_check("foreign_key_check", context, [&](StepReport& found) {
      sqlite::Connection connection = open_for_reading(image, context);
      check_foreign_keys(connection, found);
    });
    remove_leftovers(image);
    return report;
  }
};

}  // namespace

std::unique_ptr<PostStep> make_foreign_key_check(const std::string& /*argument*/) {
  return std::make_unique<ForeignKeyCheckStep>();
}

}  // namespace sqlbk::checkpoint
