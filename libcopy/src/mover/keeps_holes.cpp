#include "keeps_holes.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "sqlbk/core/holes.hpp"
#include "sqlbk/core/io.hpp"

namespace sqlbk::copy {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20U;

MoveJob part_of(const MoveJob& job, std::uint64_t done, std::uint64_t length) {
  MoveJob part = job;
  part.offset_bytes += done;
  part.length_bytes = length;
  return part;
}

class KeepsHoles final : public Mover {
 public:
  explicit KeepsHoles(std::unique_ptr<Mover> mover) : mover_(std::move(mover)) {}

  std::string_view name() const noexcept override { return mover_->name(); }
  std::string_view summary() const noexcept override { return mover_->summary(); }
  bool shares_extents() const noexcept override { return mover_->shares_extents(); }

  Moved move(const MoveJob& job, RunContext& context) override {
    if (!may_have_holes(job.in_fd, job.in_path)) return mover_->move(job, context);
    const std::uint64_t held = stat_of(job.out_fd, job.out_path).size_bytes;
    const Moved moved = move_parts(job, held, context);
    const std::uint64_t end = job.offset_bytes + moved.bytes;
    if (moved.bytes > 0 && stat_of(job.out_fd, job.out_path).size_bytes < end) {
      truncate_to(job.out_fd, end, job.out_path);  // it ends with a hole
    }
    return moved;
  }

 private:
  Moved move_parts(const MoveJob& job, std::uint64_t held, RunContext& context) {
    Moved moved;
    while (moved.bytes < job.length_bytes) {
      const std::uint64_t at = job.offset_bytes + moved.bytes;
      const std::uint64_t left = job.length_bytes - moved.bytes;
      const Extent extent =
          extent_at(job.in_fd, at, left > UINT64_MAX - at ? UINT64_MAX : at + left);
      const MoveJob part = part_of(job, moved.bytes, extent.end_bytes - at);
      const Moved step = extent.is_hole ? move_hole(part, held, context)
                                        : move_data(part, held, moved.bytes == 0, context);
      if (step.outcome == MoveOutcome::unsupported) return step;
      moved.bytes += step.bytes;
      if (step.bytes < part.length_bytes) break;
    }
    return moved;
  }

  // Behind a hole that was moved `unsupported` is no answer any more: what the mover cannot do is
  // read and written then.
  Moved move_data(const MoveJob& part, std::uint64_t held, bool is_first, RunContext& context) {
    const Moved moved = mover_->move(part, context);
    if (moved.outcome == MoveOutcome::done || is_first) return moved;
    return moved.input_changed ? Moved{} : move_hole(part, held, context);
  }

  static Moved move_hole(const MoveJob& part, std::uint64_t held, RunContext& context) {
    std::vector<std::byte> buffer(
        static_cast<std::size_t>(std::min<std::uint64_t>(kBufferBytes, part.length_bytes)));
    Moved moved;
    while (moved.bytes < part.length_bytes) {
      const auto want = static_cast<std::size_t>(
          std::min<std::uint64_t>(buffer.size(), part.length_bytes - moved.bytes));
      const std::span<std::byte> piece = std::span(buffer).first(want);
      const std::uint64_t offset = part.offset_bytes + moved.bytes;
      const std::size_t got = read_up_to(part.in_fd, piece, offset, part.in_path);
      write_around_holes(part.out_fd, piece.first(got), offset, held, part.out_path);
      moved.bytes += got;
      context.advance(got);
      if (got < want) break;
    }
    return moved;
  }

  std::unique_ptr<Mover> mover_;
};

}  // namespace

std::unique_ptr<Mover> keeping_holes(std::unique_ptr<Mover> mover) {
  return std::make_unique<KeepsHoles>(std::move(mover));
}

}  // namespace sqlbk::copy
