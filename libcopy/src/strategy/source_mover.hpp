// Moves files of a source into the image by a ladder of movers. Private to libcopy.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "../mover/mover.hpp"
#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/staged_image.hpp"

namespace sqlbk::copy {

class SourceMover {
 public:
  static constexpr std::uint64_t kWholeFile = std::numeric_limits<std::uint64_t>::max();

  SourceMover(const LiveFiles& files, StagedImage& image, const MoverLadder& movers)
      : files_(files), image_(image), movers_(movers) {}

  // Copies the file as long as it is now; returns the bytes moved, fewer if it was shortened
  // meanwhile. Throws source_changed where there is no such file any more, or it was shortened and
  // has grown again, unsuitable where no
  // mover of the ladder works, no_space before the first byte where it would not fit.
  std::uint64_t move_main(RunContext& context);
  // Of the WAL at most so much: behind its last commit there may be gigabytes of older generations.
  std::uint64_t move_wal(RunContext& context, std::uint64_t most_bytes = kWholeFile);
  std::uint64_t move_journal(RunContext& context);

  // Where the image's main holds a copy of an earlier round: write only what differs from it,
  // unless blocks are shared, which costs no writing anyway.
  void compare_from_now_on() noexcept {
    compares_ = true;
    changed_bytes_.reset();
  }
  // Of main, in this round: what differed from the round before; nullopt where that was not asked,
  // or main was not reached.
  std::optional<std::uint64_t> changed_bytes() const noexcept { return changed_bytes_; }

  // Of the mover that did it: "range".
  const std::string& mover_used() const noexcept { return mover_used_; }

 private:
  std::uint64_t compare_main(RunContext& context);
  std::uint64_t move(SourceFile file, int out_fd, const std::string& out_path, RunContext& context,
                     std::uint64_t most_bytes = kWholeFile);
  void require_end(SourceFile file, std::uint64_t moved, std::uint64_t wanted) const;

  const LiveFiles& files_;
  StagedImage& image_;
  const MoverLadder& movers_;
  std::string mover_used_;
  bool shares_extents_ = false;
  bool compares_ = false;
  bool holds_main_ = false;  // of a round that moved all of it
  std::optional<std::uint64_t> changed_bytes_;
};

}  // namespace sqlbk::copy
