// The image between rounds: nothing of an earlier one is left where a later one has moved less.
#include "strategy/source_mover.hpp"

#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "errors.hpp"
#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "mover/movers.hpp"
#include "register_movers.hpp"
#include "sqlbk/core/source.hpp"
#include "sqlbk/core/staged_target.hpp"
#include "support/emptied.hpp"
#include "test_context.hpp"

namespace sqlbk::copy {
namespace {

// Copies, counts, and says what it is told of sharing.
class CountingMover final : public Mover {
 public:
  CountingMover(bool shares, int& moves) : shares_(shares), moves_(moves) {}
  std::string_view name() const noexcept override { return "counting"; }
  std::string_view summary() const noexcept override { return "for tests"; }
  bool shares_extents() const noexcept override { return shares_; }
  Moved move(const MoveJob& job, RunContext& context) override {
    ++moves_;
    return plain_->move(job, context);
  }

 private:
  bool shares_;
  int& moves_;
  std::unique_ptr<Mover> plain_ = make_plain_mover();
};

class SourceMoverTest : public ::testing::TestWithParam<bool> {
 protected:
  SourceMoverTest() {
    test::write_text(source_, std::string(8192, 'x'));
    files_.emplace(source_);
    movers_.push_back(std::make_unique<CountingMover>(GetParam(), moves_));
    mover_.emplace(*files_, image_, movers_);
  }
  std::uint64_t image_size() { return stat_of(image_.main_fd(), image_.main_path()).size_bytes; }

  kit::TemporaryDirectory directory_;
  std::string source_ = directory_.file("source.db");
  int moves_ = 0;
  test::TestContext run_;
  MoverLadder movers_;
  std::optional<LiveFiles> files_;
  StagedImage image_{directory_.path()};
  std::optional<SourceMover> mover_;
};

INSTANTIATE_TEST_SUITE_P(SharesExtents, SourceMoverTest, ::testing::Bool());

TEST_P(SourceMoverTest, OfASourceThatHasBecomeEmptyNothingIsLeft) {
  EXPECT_EQ(mover_->move_main(run_.context), 8192U);
  std::filesystem::resize_file(source_, 0);
  mover_->compare_from_now_on();
  EXPECT_EQ(mover_->move_main(run_.context), 0U);
  EXPECT_EQ(image_size(), 0U);
}

TEST_P(SourceMoverTest, OfASourceThatHasBecomeShorterNoTailIsLeft) {
  EXPECT_EQ(mover_->move_main(run_.context), 8192U);
  std::filesystem::resize_file(source_, 4096);
  mover_->compare_from_now_on();
  EXPECT_EQ(mover_->move_main(run_.context), 4096U);
  EXPECT_EQ(image_size(), 4096U);
}

TEST_P(SourceMoverTest, AFileThatHasGoneIsAChange) {
  EXPECT_EQ(test::code_of([&] { mover_->move_wal(run_.context); }), Errc::source_changed);
  test::write_text(source_ + "-wal", "wal");
  files_->refresh_sidecars();
  EXPECT_EQ(mover_->move_wal(run_.context), 3U);
  std::filesystem::remove(source_ + "-wal");
  files_->refresh_sidecars();
  EXPECT_EQ(test::code_of([&] { mover_->move_wal(run_.context); }), Errc::source_changed);
}

TEST_P(SourceMoverTest, WhatNoRoundHasMovedIsNotCompared) {
  mover_->compare_from_now_on();
  EXPECT_EQ(mover_->move_main(run_.context), 8192U);
  EXPECT_EQ(moves_, 1);
  EXPECT_EQ(mover_->mover_used(), "counting");
  mover_->compare_from_now_on();
  EXPECT_EQ(mover_->move_main(run_.context), 8192U);
  EXPECT_EQ(moves_, GetParam() ? 2 : 1) << "what is shared is shared anew, else compared";
}

// ---- A source that is emptied under its mover, and filled again.

class EmptiedSource : public ::testing::Test {
 protected:
  std::optional<Errc> code_of_move(const MoverLadder& movers, int when) {
    const kit::TemporaryDirectory directory;
    const std::string source = directory.file("source.db");
    test::write_text(source, std::string(kSize, 'x'));
    LiveFiles files(source);
    StagedImage image(directory.path());
    SourceMover mover(files, image, movers);
    const UniqueFd writer(::open(source.c_str(), O_RDWR | O_CLOEXEC));
    const EmptiedForAMoment moment(writer.get(), kSize, when);
    const std::optional<Errc> code = test::code_of([&] { mover.move_main(run_.context); });
    return moment.has_been() ? code : std::nullopt;
  }

  static constexpr std::uint64_t kSize = std::uint64_t{6} << 20U;
  test::TestContext run_;
};

class EmptiedSourceOf : public EmptiedSource, public ::testing::WithParamInterface<MakeMover> {};

TEST_P(EmptiedSourceOf, EachMoverIsAChange) {
  for (const int when : {1, 3}) {
    MoverLadder alone;
    alone.push_back(GetParam()());
    const std::string name(alone.front()->name());
    const std::optional<Errc> code = code_of_move(std::move(alone), when);
    // Without reflinks in $TMPDIR there is none; it makes one call in any case.
    if (name == "reflink" && code != Errc::source_changed) continue;
    EXPECT_EQ(code, Errc::source_changed) << name << ", call " << when;
  }
}

INSTANTIATE_TEST_SUITE_P(Movers, EmptiedSourceOf, ::testing::ValuesIn(kMovers),
                         [](const ::testing::TestParamInfo<MakeMover>& test) {
                           return std::string(test.param()->name());
                         });

// No mover of the ladder has moved a byte before the source had its size back.
TEST_F(EmptiedSource, IsCopiedWhereAnotherMoverComesAfterIt) {
  MoverLadder ladder;
  ladder.push_back(make_range_mover());
  ladder.push_back(make_plain_mover());
  EXPECT_EQ(code_of_move(std::move(ladder), 1), std::nullopt);
}

}  // namespace
}  // namespace sqlbk::copy
