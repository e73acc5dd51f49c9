// The fixture of a strategy's tests: a source of the workload, its one owner, and one copy of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kit/checker.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "support/hooked_strategy.hpp"
#include "support/owner.hpp"
#include "support/source_files.hpp"

namespace sqlbk::test {

class StrategyTest : public ::testing::Test {
 protected:
  // What the owner commits when it opens.
  static constexpr int kCommits = 10;

  void make(kit::JournalMode mode = kit::JournalMode::wal, bool auto_vacuum = false) {
    kit::DatabaseOptions options;
    options.size_mb = 1;
    options.journal_mode = mode;
    options.auto_vacuum = auto_vacuum;
    kit::create_database(source_, options);
  }
  OwnerTask open(const std::string& pragmas = "PRAGMA wal_autocheckpoint=0") {
    return [this, pragmas](OwnerState& state) {
      state.open(source_, pragmas);
      state.commit(kCommits);
    };
  }
  void expect_copied(const Outcome& outcome, Verdict verdict, std::uint64_t commits = kCommits) {
    ASSERT_TRUE(outcome.ok()) << outcome.explain();
    EXPECT_EQ(outcome.report.verdict, verdict) << outcome.explain();
    EXPECT_EQ(names_in(copy_directory_.path()), std::vector<std::string>{"copy.db"});
    const kit::CheckResult result = kit::check_copy(copy_, floor_of(commits));
    EXPECT_TRUE(result.good()) << result.explain() << '\n' << outcome.explain();
  }
  void expect_refused(const Outcome& outcome, Errc code) {
    ASSERT_FALSE(outcome.ok()) << outcome.explain();
    EXPECT_EQ(outcome.error->code(), code) << outcome.explain();
    EXPECT_EQ(outcome.exit_code(), 4);
    EXPECT_EQ(leftovers(copy_, {}), "");
  }

  kit::TemporaryDirectory source_directory_;
  kit::TemporaryDirectory copy_directory_;
  std::string source_ = source_directory_.file("source.db");
  std::string copy_ = copy_directory_.file("copy.db");
};

}  // namespace sqlbk::test
