// Every post-step that the registry knows, with every argument that its entry offers, on the forms
// that a staged image can have. What it has to do follows from its traits.
#include <algorithm>
#include <filesystem>
#include <optional>
#include <sstream>

#include <gtest/gtest.h>

#include "cell.hpp"
#include "kit/checker.hpp"
#include "kit/corpus.hpp"
#include "kit/temporary_directory.hpp"
#include "sqlbk/checkpoint/builtin.hpp"
#include "sqlbk/copy/builtin.hpp"
#include "sqlbk/core/apply.hpp"
#include "sqlbk/core/header_mode.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/wal_scan.hpp"
#include "support/run_copy.hpp"
#include "support/source_files.hpp"
#include "test_context.hpp"

namespace sqlbk::test {
namespace {

namespace fs = std::filesystem;

const Registry& registry() {
  static const Registry all = [] {
    Registry filled;
    copy::register_builtin_strategies(filled);
    checkpoint::register_builtin_steps(filled);
    return filled;
  }();
  return all;
}

// "checkpoint=passive", … An argument that is a choice is taken word by word, and one that is a
// page size is every other than that of the corpus that a page may have; a step that can do without
// one is also tried without.
std::vector<std::string> all_steps() {
  std::vector<std::string> specs;
  for (const StepEntry& entry : registry().steps()) {
    const std::size_t before = specs.size();
    const auto add = [&specs](const std::string& spec) {
      try {
        static_cast<void>(registry().step(spec));
        specs.push_back(spec);
      } catch (const Error&) {  // it wants an argument, or not this one
      }
    };
    add(entry.name);
    std::istringstream choices(entry.argument);
    for (std::string choice; std::getline(choices, choice, '|');) add(entry.name + "=" + choice);
    if (entry.argument == "PAGESIZE") {
      for (const char* size : {"512", "8192", "65536"}) add(entry.name + '=' + size);
    }
    EXPECT_GT(specs.size(), before) << "no way was found to make the step " << entry.name;
  }
  return specs;
}

bool reads_only(const std::string& spec) {
  const StepTraits traits = registry().step(spec)->traits();
  return traits.reads_content && !traits.changes_image;
}

std::vector<std::string> all_checks() {
  std::vector<std::string> specs = all_steps();
  std::erase_if(specs, [](const std::string& spec) { return !reads_only(spec); });
  return specs;
}

std::string name_of(const ::testing::TestParamInfo<std::string>& test) {
  std::string name = test.param;
  std::ranges::replace(name, '=', '_');
  return name;
}

class EveryStep : public ::testing::TestWithParam<std::string> {
 protected:
  EveryStep() {
    kit::CorpusOptions options;
    options.database.size_mb = 1;
    options.extra_tables = 1;
    options.indexes = true;
    options.wal_mb = 1;
    corpus_ = kit::make_corpus(directory_.file("source.db"), options);
    fs::create_directory(staging_);
    image_.emplace(staging_);
    fs::copy_file(corpus_.path, image_->main_path());
  }
  bool changes_image() const { return registry().step(GetParam())->traits().changes_image; }

  void make_unapplied() {
    fs::copy_file(corpus_.path + "-wal", image_->wal_path());
    image_->wal_prefix = scan_wal(image_->wal_fd(), image_->wal_path(), context_.context).committed;
  }
  void make_applied() {
    make_unapplied();
    apply_to_main(CommittedView::of_image(*image_, context_.context), image_->main_fd(),
                  image_->main_path(), context_.context);
    image_->discard_wal();
    set_header_mode(image_->main_fd(), image_->main_path(), false);
    image_->folded = true;
  }
  StepReport run() {
    image_->close_files();
    StepReport report = registry().step(GetParam())->run(*image_, context_.context);
    image_->close_files();
    return report;
  }
  // On a sound image: says so, leaves nothing beside it, and the content is what it was.
  void expect_fine(const std::vector<std::string>& names_before) {
    const std::string main_before = bytes_of(image_->main_path());
    const std::string wal_before =
        fs::exists(image_->wal_path()) ? bytes_of(image_->wal_path()) : std::string();
    const StepReport report = run();
    EXPECT_TRUE(report.verdict == StepVerdict::ok || report.verdict == StepVerdict::skipped)
        << to_string(report.verdict)
        << (report.findings.empty() ? "" : ": " + report.findings.front());
    EXPECT_EQ(report.name, GetParam().find('=') == std::string::npos
                               ? std::string(registry().step(GetParam())->name())
                               : GetParam());
    for (const std::string& name : names_in(staging_)) {
      const bool was_there = std::ranges::find(names_before, name) != names_before.end();
      EXPECT_TRUE(was_there) << name << " was left in the staging directory";
    }
    if (!changes_image()) {
      EXPECT_EQ(names_in(staging_), names_before);
      EXPECT_TRUE(bytes_of(image_->main_path()) == main_before);
      if (!wal_before.empty()) {
        EXPECT_TRUE(bytes_of(image_->wal_path()) == wal_before);
      }
    }
    const kit::CheckResult result = kit::check_copy(image_->main_path(), corpus_.committed);
    EXPECT_TRUE(result.good()) << result.explain();
  }

  kit::TemporaryDirectory directory_{scratch_parent()};
  std::string staging_ = directory_.file("staging");
  kit::Corpus corpus_;
  std::optional<StagedImage> image_;
  TestContext context_;
};

TEST_P(EveryStep, OnAFoldedImage) {
  make_applied();
  expect_fine({"copy.db"});
}

TEST_P(EveryStep, OnAnImageWithAWal) {
  make_unapplied();
  expect_fine({"copy.db", "copy.db-wal"});
}

TEST_P(EveryStep, StopsWhereTheRunIsCancelled) {
  make_applied();
  context_.cancel.request();
  // What is done in an instant may be done; what is stopped says so, and is not called damage.
  try {
    EXPECT_NE(run().verdict, StepVerdict::damaged);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::interrupted) << error.what();
  }
  EXPECT_EQ(names_in(staging_), std::vector<std::string>{"copy.db"});
}

// Those that only read the content must see it where the root of the schema is gone.
class EveryCheck : public EveryStep {};

TEST_P(EveryCheck, FindsThatNothingCanBeRead) {
  make_applied();
  const std::string junk(400, '\x5a');
  write_all(image_->main_fd(), std::as_bytes(std::span(junk)), 100, image_->main_path());
  const StepReport report = run();
  EXPECT_EQ(report.verdict, StepVerdict::damaged);
  EXPECT_FALSE(report.findings.empty());
  EXPECT_EQ(names_in(staging_), std::vector<std::string>{"copy.db"});
}

TEST_P(EveryCheck, ThatFindsDamageEndsARunWithExitCode3) {
  const std::string source = directory_.file("damaged.db");
  make_applied();
  image_->close_files();
  std::string bytes = bytes_of(image_->main_path());
  bytes.replace(100, 400, 400, '\x5a');
  write_bytes(source, bytes);
  const kit::TemporaryDirectory destinations;
  CopyRequest request = request_of(source, destinations.file("copy.db"), CopyRequest().strategy);
  request.steps = {GetParam()};
  const Outcome outcome = run_request(request, registry());
  EXPECT_EQ(outcome.exit_code(), 3) << outcome.explain();
  ASSERT_EQ(outcome.report.steps.size(), 1U);
  EXPECT_EQ(outcome.report.steps.front().verdict, StepVerdict::damaged);
  EXPECT_EQ(leftovers(request.destination, {}), "");
}

TEST_P(EveryStep, InARunLeavesACopyThatIsGood) {
  for (const ImageForm form : {ImageForm::folded, ImageForm::main_and_wal}) {
    const kit::TemporaryDirectory destinations;
    CopyRequest request =
        request_of(corpus_.path, destinations.file("copy.db"), CopyRequest().strategy);
    request.steps = {GetParam()};
    request.copy.form = form;
    if (form == ImageForm::main_and_wal) request.journal_mode = JournalMode::keep;
    const Outcome outcome = run_request(request, registry());
    ASSERT_TRUE(outcome.ok()) << outcome.explain();
    const kit::CheckResult result = kit::check_copy(request.destination, corpus_.committed);
    EXPECT_TRUE(result.good()) << result.explain();
    std::vector<std::string> may_be_there{"copy.db"};
    if (form == ImageForm::main_and_wal) may_be_there.emplace_back("copy.db-wal");
    if (registry().step(GetParam())->traits().publishes_digest) {
      may_be_there.emplace_back("copy.db.sha256");
      EXPECT_TRUE(fs::exists(request.destination + ".sha256"));
    }
    EXPECT_EQ(leftovers(request.destination, may_be_there), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Steps, EveryStep, ::testing::ValuesIn(all_steps()), name_of);
INSTANTIATE_TEST_SUITE_P(Steps, EveryCheck, ::testing::ValuesIn(all_checks()), name_of);

// The duties are worth something only if somebody has them.
TEST(Steps, OfEveryKindAreThere) {
  for (const char* name : {"vacuum_into", "vacuum_into=512", "digest=file", "digest=report",
                           "foreign_key_check", "quick_check", "integrity_check"}) {
    const std::vector<std::string> all = all_steps();
    EXPECT_NE(std::ranges::find(all, name), all.end()) << name << " is not tried";
  }
  EXPECT_GE(all_checks().size(), 2U);
  EXPECT_GT(all_steps().size(), all_checks().size());
}

}  // namespace
}  // namespace sqlbk::test
