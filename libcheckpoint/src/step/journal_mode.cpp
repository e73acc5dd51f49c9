#include <utility>

#include "image_connection.hpp"
#include "page_checksums.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/header_mode.hpp"
#include "steps.hpp"

namespace sqlbk::checkpoint {
namespace {

class JournalModeStep final : public PostStep {
 public:
  explicit JournalModeStep(std::string mode)
      : name_("journal_mode=" + mode), mode_(std::move(mode)) {}

  std::string_view name() const noexcept override { return name_; }
  StepTraits traits() const noexcept override {
    return {.changes_image = true, .reads_content = true};
  }

  StepReport run(StagedImage& image, RunContext& context) override {
    if (may_have_page_checksums(header_of(image))) {
      apply_with_checksums(image, context);
      set_header_mode(image.main_fd(), image.main_path(), mode_ == "wal");
      image.close_files();
      return done();
    }
    image.close_files();
    sqlite::Connection connection = open_for_writing(image, context);
    const std::string now = connection.text("PRAGMA journal_mode=" + mode_);
    if (now != mode_) {
      throw Error(Errc::sqlite_error, "SQLite left the copy in journal mode " + quoted(now) +
                                          " instead of " + quoted(mode_));
    }
    connection.close();
    remove_leftovers(image);
    return done();
  }

 private:
  StepReport done() const {
    return {.name = name_, .verdict = StepVerdict::ok, .findings = {}, .elapsed = {}};
  }

  std::string name_;
  std::string mode_;
};

}  // namespace

std::unique_ptr<PostStep> make_journal_mode(const std::string& argument) {
  // The other modes are not kept in the file, so there would be nothing to see of them.
  if (argument == "delete" || argument == "wal") {
    return std::make_unique<JournalModeStep>(argument);
  }
  throw Error(Errc::usage, "the step journal_mode needs a mode that a file can keep")
      .with_hint("journal_mode=delete or journal_mode=wal");
}

}  // namespace sqlbk::checkpoint
