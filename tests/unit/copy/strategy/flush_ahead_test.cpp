// What a reflink would flush under a lock is written back before the lock is taken.
#include "strategy/flush_ahead.hpp"

#include <fcntl.h>
#include <optional>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "kit/workload.hpp"
#include "mover/movers.hpp"
#include "scoped_sys.hpp"
#include "sqlbk/core/locks.hpp"
#include "sqlbk/core/reflink_support.hpp"
#include "strategy/lock.hpp"
#include "strategy/snapshot.hpp"
#include "support/mounted.hpp"
#include "support/run_copy.hpp"

namespace sqlbk::copy {
namespace {

using test::Outcome;

struct Call {
  std::string name;
  bool is_locked;  // a reader's SHARED rested on main, and nothing but the copy has it open
};

class FlushAhead : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string kind = "xfs";
    if (const auto why_not = test::why_not_mountable(kind)) GTEST_SKIP() << *why_not;
    try {
      mounted_.emplace(kind, 400);
    } catch (const std::runtime_error& error) {
      GTEST_SKIP() << error.what();
    }
    source = mounted_->file("source.db");
    kit::DatabaseOptions options;
    options.size_mb = 4;
    options.journal_mode = kit::JournalMode::delete_file;
    kit::create_database(source, options);
    calls.clear();
    patch_.emplace();
    (*patch_)->sync_file_range = [](int fd, off_t offset, off_t size, unsigned flags) {
      note("sync_file_range");
      return real_sys().sync_file_range(fd, offset, size, flags);
    };
    (*patch_)->ficlone = [](int out, int in) {
      note("ficlone");
      return real_sys().ficlone(out, in);
    };
  }
  void TearDown() override {
    patch_.reset();
    mounted_.reset();
  }

  // Another open file than that of the copy, whose locks conflict with it.
  static void note(const std::string& name) {
    const UniqueFd fd(::open(source.c_str(), O_RDONLY | O_CLOEXEC));
    calls.push_back(
        {name, conflicting_lock(fd.get(), kCopySharedByte, 1, false, source).has_value()});
  }
  Outcome copy() {
    return test::run_request(test::request_of(source, mounted_->file("copy.db")),
                             test::registry_of([] {
                               return std::string(GetParam()) == "lock"
                                          ? make_lock_strategy("lock", best_movers())
                                          : make_snapshot_strategy("snapshot", best_movers());
                             }));
  }

  static inline std::string source;
  static inline std::vector<Call> calls;
  std::optional<test::Mounted> mounted_;
  std::optional<test::ScopedSys> patch_;
};

TEST_P(FlushAhead, ComesBeforeTheLockAndAllOfIt) {
  if (reflink_support(UniqueFd(::open(source.c_str(), O_RDONLY | O_CLOEXEC)).get()) !=
      ReflinkSupport::likely) {
    GTEST_SKIP() << "this XFS has no reflinks";
  }
  const Outcome outcome = copy();
  ASSERT_TRUE(outcome.ok()) << outcome.explain();
  EXPECT_EQ(outcome.report.strategy, std::string(GetParam()) + "+reflink");
  std::size_t at = 0;
  for (; at < calls.size() && calls[at].name == "sync_file_range"; ++at) {
    EXPECT_FALSE(calls[at].is_locked) << at;
  }
  EXPECT_GE(at, 4U) << "a piece is a megabyte";
  ASSERT_LT(at, calls.size());
  EXPECT_EQ(calls[at].name, "ficlone");
  EXPECT_TRUE(calls[at].is_locked) << "or no lock would be seen before, either";
}

INSTANTIATE_TEST_SUITE_P(Strategies, FlushAhead, ::testing::Values("lock", "snapshot"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace sqlbk::copy
