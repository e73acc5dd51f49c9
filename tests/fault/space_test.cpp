// A file system that is really full, at every place where a copy can meet its end.
#include <algorithm>
#include <filesystem>
#include <optional>
#include <stdexcept>

#include <gtest/gtest.h>

#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "sqlbk/copy/builtin.hpp"
#include "support/mounted.hpp"
#include "support/owner.hpp"
#include "support/run_copy.hpp"
#include "support/source_files.hpp"

namespace sqlbk::test {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

// A live WAL database: main has one MiB and the WAL nearly three more, all of it new pages, so that
// the copy needs room for main, the WAL, and main grown by the WAL.
class FullDisk : public ::testing::TestWithParam<std::string> {
 protected:
  static Registry make_registry() {
    Registry registry;
    copy::register_builtin_strategies(registry);
    return registry;
  }

  void SetUp() override {
    kit::DatabaseOptions options;
    options.size_mb = 1;
    kit::create_database(source_, options);
    owner_.emplace(std::vector<OwnerTask>{[this](OwnerState& state) {
      state.open(source_, "PRAGMA wal_autocheckpoint=0");
      state.commit(3);
      state.connection->execute(
          "CREATE TABLE junk (x); INSERT INTO junk VALUES (zeroblob(2800000))");
    }});
    (*owner_)->run(0);
    ASSERT_LT(std::filesystem::file_size(source_), 2 * kMiB);
    ASSERT_GT(std::filesystem::file_size(source_ + "-wal"), 2 * kMiB);
  }
  // A file system of that size; skips the test where that cannot be had.
  void mount(unsigned size_mib) {
    if (const auto why_not = why_not_mountable("tmpfs")) GTEST_SKIP() << *why_not;
    try {
      mounted_.emplace("tmpfs", size_mib);
    } catch (const std::runtime_error& error) {
      GTEST_SKIP() << error.what();  // a container's root
    }
  }
  Outcome copy(const std::string& destination, const std::string& tempdir = {}) {
    CopyRequest request = request_of(source_, destination, GetParam());
    request.target.tempdir = tempdir;
    return run_request(request, registry_);
  }
  // A mover that does not work here is excused, before its first byte. Nothing is left.
  void expect_no_space(const Outcome& outcome, const std::string& directory) {
    ASSERT_FALSE(outcome.ok()) << outcome.explain();
    if (outcome.error->code() != Errc::unsuitable) {
      EXPECT_EQ(outcome.error->code(), Errc::no_space) << outcome.explain();
      EXPECT_EQ(outcome.exit_code(), 1);
    }
    EXPECT_TRUE(names_in(directory).empty()) << names_in(directory).front();
    EXPECT_EQ(difference(before_, look_at_source(source_), false), "");
  }

  kit::TemporaryDirectory directory_;
  std::string source_ = directory_.file("source.db");
  Registry registry_ = make_registry();
  std::optional<Owner> owner_;
  std::optional<Mounted> mounted_;
  SeenSource before_;
};

TEST_P(FullDisk, IsFoundOutBeforeTheFirstByteOrInTheMiddle) {
  // Too small for main alone; for the WAL beside it; for what the two become.
  for (const unsigned size_mib : {1U, 3U, 5U}) {
    SCOPED_TRACE(size_mib);
    mounted_.reset();
    mount(size_mib);
    if (!mounted_) return;
    before_ = look_at_source(source_);
    const Outcome outcome = copy(mounted_->file("copy.db"));
    // One that never has the WAL beside main needs less.
    if (outcome.ok() && size_mib == 5) {
      EXPECT_TRUE(kit::check_copy(mounted_->file("copy.db"), floor_of(3)).good());
      continue;
    }
    expect_no_space(outcome, mounted_->path());
  }
}

TEST_P(FullDisk, IsNoneWhereThereIsRoom) {
  mount(16);
  if (!mounted_) return;
  const Outcome outcome = copy(mounted_->file("copy.db"));
  ASSERT_TRUE(outcome.ok() || outcome.error->code() == Errc::unsuitable) << outcome.explain();
  if (outcome.ok()) {
    EXPECT_TRUE(kit::check_copy(mounted_->file("copy.db"), floor_of(3)).good());
  }
}

TEST_P(FullDisk, UnderTheTemporaryDirectory) {
  mount(3);
  if (!mounted_) return;
  before_ = look_at_source(source_);
  const kit::TemporaryDirectory destinations;
  expect_no_space(copy(destinations.file("copy.db"), mounted_->path()), mounted_->path());
  EXPECT_TRUE(names_in(destinations.path()).empty());
}

TEST_P(FullDisk, UnderTheDestinationAlone) {
  mount(3);
  if (!mounted_) return;
  before_ = look_at_source(source_);
  const kit::TemporaryDirectory tempdir;
  expect_no_space(copy(mounted_->file("copy.db"), tempdir.path()), mounted_->path());
  EXPECT_TRUE(names_in(tempdir.path()).empty());
}

std::vector<std::string> all_strategies() {
  Registry registry;
  copy::register_builtin_strategies(registry);
  std::vector<std::string> specs;
  for (const StrategyEntry& entry : registry.strategies()) specs.push_back(entry.spec);
  return specs;
}

INSTANTIATE_TEST_SUITE_P(Strategies, FullDisk, ::testing::ValuesIn(all_strategies()),
                         [](const ::testing::TestParamInfo<std::string>& test) {
                           std::string name = test.param;
                           for (char& c : name) {
                             if (c == '+' || c == '-') c = '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace sqlbk::test
