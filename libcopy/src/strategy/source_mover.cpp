#include "source_mover.hpp"

#include <algorithm>

#include "../mover/compare.hpp"
#include "source_changed.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/holes.hpp"
#include "sqlbk/core/io.hpp"

namespace sqlbk::copy {

std::uint64_t SourceMover::move_main(RunContext& context) {
  if (compares_ && holds_main_ && !shares_extents_) return compare_main(context);
  return move(SourceFile::main, image_.main_fd(), image_.main_path(), context);
}

std::uint64_t SourceMover::compare_main(RunContext& context) {
  const std::string& in_path = files_.main_path();
  const std::unique_ptr<CompareMover> mover = make_compare_mover();
  const Moved moved = mover->move({.in_fd = files_.fd_of(SourceFile::main),
                                   .in_path = in_path,
                                   .out_fd = image_.main_fd(),
                                   .out_path = image_.main_path(),
                                   .offset_bytes = 0,
                                   .length_bytes = files_.stat(SourceFile::main).size_bytes},
                                  context);
  require_end(SourceFile::main, moved.bytes, files_.stat(SourceFile::main).size_bytes);
  truncate_to(image_.main_fd(), moved.bytes, image_.main_path());
  context.progress().add_moved(moved.bytes);
  changed_bytes_ = mover->written_bytes();
  return moved.bytes;
}

std::uint64_t SourceMover::move_wal(RunContext& context, std::uint64_t most_bytes) {
  return move(SourceFile::wal, image_.wal_fd(), image_.wal_path(), context, most_bytes);
}

std::uint64_t SourceMover::move_journal(RunContext& context) {
  return move(SourceFile::journal, image_.journal_fd(), image_.journal_path(), context);
}

std::uint64_t SourceMover::move(SourceFile file, int out_fd, const std::string& out_path,
                                RunContext& context, std::uint64_t most_bytes) {
  const std::string in_path = files_.path_of(file);
  // It was there a moment ago, and whoever looked again since has not found it any more.
  if (!files_.has(file)) throw_changed(files_, quoted(in_path) + " has gone");
  const std::uint64_t size_bytes = files_.stat(file).size_bytes;
  MoveJob job{.in_fd = files_.fd_of(file),
              .in_path = in_path,
              .out_fd = out_fd,
              .out_path = out_path,
              .offset_bytes = 0,
              .length_bytes = std::min(size_bytes, most_bytes)};
  const std::uint64_t wanted_bytes = job.length_bytes;
  if (wanted_bytes == 0) {
    truncate_to(out_fd, 0, out_path);  // what an earlier round has left
    if (file == SourceFile::main) holds_main_ = true;
    return 0;
  }
  std::string tried;
  bool input_changed = false;
  for (const std::unique_ptr<Mover>& mover : movers_) {
    // Blocks can be shared whole only; the rest is cut off again, which costs nothing.
    job.length_bytes = mover->shares_extents() ? size_bytes : wanted_bytes;
    if (!mover->shares_extents()) {
      image_.require_space(data_bytes(job.in_fd, wanted_bytes, in_path));
    }
    Moved moved = mover->move(job, context);
    if (moved.outcome == MoveOutcome::done) {
      // Shared beyond what was asked for, or left by an earlier round.
      moved.bytes = std::min(moved.bytes, wanted_bytes);
      require_end(file, moved.bytes, wanted_bytes);
      truncate_to(out_fd, moved.bytes, out_path);
      if (mover_used_.empty()) mover_used_ = mover->name();
      if (file == SourceFile::main) {
        shares_extents_ = mover->shares_extents();
        holds_main_ = true;
      }
      context.progress().add_moved(moved.bytes);
      return moved.bytes;
    }
    input_changed = input_changed || moved.input_changed;
    tried += tried.empty() ? "" : ", ";
    tried += mover->name();
    context.log(LogLevel::debug, std::string(mover->name()) + " does not work on " + in_path);
  }
  if (input_changed) throw_changed(files_, "the size of " + quoted(in_path));
  throw Error(Errc::unsuitable, "unable to copy " + quoted(in_path) + " by " + tried +
                                    ": the file system, or the pair of them, does not support it")
      .with_path(in_path)
      .with_hint("choose another mover, as plain, or leave the choice to --strategy auto");
}

// A mover stops short at the end of the file. Where there are bytes behind it by now, it was
// shorter for a moment, and how the copy ends is of no state.
void SourceMover::require_end(SourceFile file, std::uint64_t moved, std::uint64_t wanted) const {
  if (moved >= wanted || files_.stat(file).size_bytes <= moved) return;
  throw_changed(files_, "the size of " + quoted(files_.path_of(file)));
}

}  // namespace sqlbk::copy
