#include <array>
#include <utility>

#include <sqlite3.h>

#include "image_connection.hpp"
#include "page_checksums.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "steps.hpp"

namespace sqlbk::checkpoint {
namespace {

constexpr std::array kModes{std::pair{"passive", SQLITE_CHECKPOINT_PASSIVE},
                            std::pair{"full", SQLITE_CHECKPOINT_FULL},
                            std::pair{"restart", SQLITE_CHECKPOINT_RESTART},
                            std::pair{"truncate", SQLITE_CHECKPOINT_TRUNCATE}};

class CheckpointStep final : public PostStep {
 public:
  CheckpointStep(std::string mode_name, int mode)
      : name_("checkpoint=" + std::move(mode_name)), mode_(mode) {}

  std::string_view name() const noexcept override { return name_; }
  StepTraits traits() const noexcept override {
    return {.changes_image = true, .reads_content = true};
  }

  StepReport run(StagedImage& image, RunContext& context) override {
    StepReport report{.name = name_, .verdict = StepVerdict::ok, .findings = {}, .elapsed = {}};
    if (!stat_path(image.wal_path())) {
      report.verdict = StepVerdict::skipped;
      report.findings.emplace_back("the copy has no WAL: it was applied already");
      return report;
    }
    if (may_have_page_checksums(header_of(image))) {
      apply_with_checksums(image, context);
      image.close_files();
      return report;
    }
    image.close_files();
    sqlite::Connection connection = open_for_writing(image, context);
    connection.disable_checkpoint_on_close();
    // A connection looks for the WAL only when it first reads; until then there is nothing to do.
    static_cast<void>(connection.integer("SELECT count(*) FROM sqlite_schema"));
    int log_frames = 0;
    int done_frames = 0;
    const int result =
        sqlite3_wal_checkpoint_v2(connection.handle(), nullptr, mode_, &log_frames, &done_frames);
    sqlite::check(result, connection.handle(), image.main_path(), "checkpoint");
    if (log_frames != done_frames) {
      throw Error(Errc::sqlite_error, "SQLite checkpointed " + std::to_string(done_frames) +
                                          " of " + std::to_string(log_frames) +
                                          " frames of the copy");
    }
    connection.close();
    remove_leftovers(image);
    return report;
  }

 private:
  std::string name_;
  int mode_;
};

}  // namespace

std::unique_ptr<PostStep> make_checkpoint(const std::string& argument) {
  const std::string mode = argument.empty() ? "truncate" : argument;
  for (const auto& [name, code] : kModes) {
    if (mode == name) return std::make_unique<CheckpointStep>(mode, code);
  }
  throw Error(Errc::usage, "there is no checkpoint mode " + quoted(argument))
      .with_hint("one of: passive, full, restart, truncate");
}

}  // namespace sqlbk::checkpoint
