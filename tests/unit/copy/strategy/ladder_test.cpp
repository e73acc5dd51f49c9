// Which mover is tried when: SourceMover on ladders of movers that only pretend.
#include <algorithm>
#include <fcntl.h>

#include <gtest/gtest.h>

#include "kit/temporary_directory.hpp"
#include "kit/workload.hpp"
#include "mover/movers.hpp"
#include "sqlbk/core/error.hpp"
#include "strategy/source_mover.hpp"

namespace sqlbk::copy {
namespace {

enum class Does { everything, nothing, fail };

class PretendingMover final : public Mover {
 public:
  PretendingMover(std::string name, Does does, std::vector<std::string>& calls)
      : name_(std::move(name)), does_(does), calls_(calls) {}
  std::string_view name() const noexcept override { return name_; }
  std::string_view summary() const noexcept override { return "pretends"; }
  Moved move(const MoveJob& job, RunContext&) override {
    calls_.push_back(name_);
    if (does_ == Does::nothing) return Moved::unsupported();
    if (does_ == Does::fail) throw Error(Errc::io_error, "as told");
    return {MoveOutcome::done, job.length_bytes};
  }

 private:
  std::string name_;
  Does does_;
  std::vector<std::string>& calls_;
};

class Ladder : public ::testing::Test {
 protected:
  Ladder() {
    kit::DatabaseOptions options;
    options.size_mb = 1;
    kit::create_database(source_, options);
    files_.emplace(source_);
  }
  void rung(const std::string& name, Does does) {
    movers_.push_back(std::make_unique<PretendingMover>(name, does, calls_));
  }
  SourceMover source_mover() { return {*files_, image_, movers_}; }

  kit::TemporaryDirectory directory_;
  std::string source_ = directory_.file("source.db");
  std::optional<LiveFiles> files_;
  StagedImage image_{directory_.path()};
  Progress progress_;
  CancelToken cancel_;
  RunContext context_{progress_, cancel_};
  MoverLadder movers_;
  std::vector<std::string> calls_;
};

TEST_F(Ladder, TheFirstThatWorksIsTakenAndNoOther) {
  rung("first", Does::nothing);
  rung("second", Does::everything);
  rung("third", Does::everything);
  SourceMover mover = source_mover();
  EXPECT_EQ(mover.move_main(context_), files_->stat(SourceFile::main).size_bytes);
  EXPECT_EQ(calls_, (std::vector<std::string>{"first", "second"}));
  EXPECT_EQ(mover.mover_used(), "second");
  EXPECT_EQ(progress_.moved_bytes.load(), files_->stat(SourceFile::main).size_bytes);
}

TEST_F(Ladder, AFailureIsNoReasonToTryAnother) {
  rung("first", Does::fail);
  rung("second", Does::everything);
  SourceMover mover = source_mover();
  EXPECT_THROW(static_cast<void>(mover.move_main(context_)), Error);
  EXPECT_EQ(calls_, (std::vector<std::string>{"first"}));
}

TEST_F(Ladder, WhereNoneWorksTheErrorNamesThemAll) {
  rung("first", Does::nothing);
  rung("second", Does::nothing);
  SourceMover mover = source_mover();
  try {
    static_cast<void>(mover.move_main(context_));
    FAIL() << "moved by " << mover.mover_used();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unsuitable);
    EXPECT_NE(std::string(error.what()).find("first, second"), std::string::npos) << error.what();
  }
}

TEST_F(Ladder, AnEmptyFileNeedsNoMover) {
  rung("first", Does::fail);
  UniqueFd wal(open_at(AT_FDCWD, source_ + "-wal", O_WRONLY | O_CREAT, 0600, source_));
  files_->refresh_sidecars();
  SourceMover mover = source_mover();
  EXPECT_EQ(mover.move_wal(context_), 0U);
  EXPECT_TRUE(calls_.empty());
  EXPECT_EQ(mover.mover_used(), "");
}

TEST(BestMovers, AreReflinkThenRangeThenPlain) {
  std::vector<std::string_view> names;
  for (const auto& mover : best_movers()) names.push_back(mover->name());
  EXPECT_EQ(names, (std::vector<std::string_view>{"reflink", "range", "plain"}));
}

TEST(BestMovers, TheLastOneWorksEverywhere) {
  const MoverLadder ladder = best_movers();
  EXPECT_EQ(ladder.back()->name(), "plain");
  EXPECT_TRUE(std::ranges::all_of(kMovers, [](MakeMover make) { return make() != nullptr; }));
}

}  // namespace
}  // namespace sqlbk::copy
