// Moves bytes of one open file into another. No policy, no paths to open, no promise: the strategy
// around it makes the promise. Private to libcopy. Thread-safety: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sqlbk/core/run_context.hpp"

namespace sqlbk::copy {

struct MoveJob {
  int in_fd;
  const std::string& in_path;  // for messages only
  int out_fd;
  const std::string& out_path;
  std::uint64_t offset_bytes;  // in both files
  std::uint64_t length_bytes;
};

enum class MoveOutcome {
  done,
  unsupported,  // not on these files; nothing was moved
};

struct Moved {
  MoveOutcome outcome = MoveOutcome::done;
  // Fewer than asked for only where the input ended sooner, be it for a moment: what that means is
  // for the strategy to say.
  std::uint64_t bytes = 0;
  // Of `unsupported`: the input was written to meanwhile, and that may have been the only reason.
  bool input_changed = false;
  static Moved unsupported(bool input_changed = false) {
    return {MoveOutcome::unsupported, 0, input_changed};
  }
};

class Mover {
 public:
  virtual ~Mover();

  virtual std::string_view name() const noexcept = 0;
  virtual std::string_view summary() const noexcept = 0;
  // The copy takes space only once one side is written to.
  virtual bool shares_extents() const noexcept { return false; }

  // Holes of the input are holes of the output, if that was not longer before. Throws Error when it
  // fails half-way. Ticks `context` at least every few megabytes, but for a
  // reflink, which is one system call.
  virtual Moved move(const MoveJob& job, RunContext& context) = 0;
};

// Movers in the order in which they are tried; the next one only where the one before answered
// `unsupported`, that is before the first byte was moved.
using MoverLadder = std::vector<std::unique_ptr<Mover>>;

// Whether a copy by it may take no space.
bool may_share_blocks(const MoverLadder& movers) noexcept;

std::unique_ptr<Mover> make_plain_mover();
std::unique_ptr<Mover> make_range_mover();
std::unique_ptr<Mover> make_reflink_mover();
std::unique_ptr<Mover> make_mmap_mover();

}  // namespace sqlbk::copy
