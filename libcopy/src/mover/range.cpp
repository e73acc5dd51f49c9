#include <algorithm>
#include <cerrno>
#include <chrono>

#include "errno_table.hpp"
#include "keeps_holes.hpp"
#include "mover.hpp"
#include "mover_error.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;

// A call is to take a few milliseconds, on slow storage too, so that ticks come often enough: who
// holds a lock must see in time who waits for it.
constexpr std::uint64_t kLeastChunkBytes = std::uint64_t{256} << 10U;
constexpr std::uint64_t kMostChunkBytes = std::uint64_t{8} << 20U;

std::uint64_t next_chunk(std::uint64_t chunk, std::chrono::steady_clock::duration took) {
  if (took < 8ms) return std::min(2 * chunk, kMostChunkBytes);
  if (took > 30ms) return std::max(chunk / 4, kLeastChunkBytes);
  return chunk;
}

class RangeMover final : public Mover {
 public:
  std::string_view name() const noexcept override { return "range"; }
  std::string_view summary() const noexcept override {
    return "copy_file_range(2): inside the kernel, as a reflink where the file system likes to";
  }

  Moved move(const MoveJob& job, RunContext& context) override {
    const FileStat before = stat_of(job.in_fd, job.in_path);
    Moved moved;
    std::uint64_t chunk = std::uint64_t{1} << 20U;
    while (moved.bytes < job.length_bytes) {
      const std::uint64_t want = std::min(chunk, job.length_bytes - moved.bytes);
      const auto began = std::chrono::steady_clock::now();
      const ssize_t count = call(job, job.offset_bytes + moved.bytes, want);
      if (count > 0) {
        moved.bytes += static_cast<std::uint64_t>(count);
        chunk = next_chunk(chunk, std::chrono::steady_clock::now() - began);
        context.advance(static_cast<std::uint64_t>(count));
      } else if (count < 0 && errno == EINTR) {
        context.tick();
      } else if (count == 0 || errno == EINVAL) {
        return stopped(job, moved, before, count == 0 ? EIO : EINVAL);
      } else if (moved.bytes == 0 && is_unsupported(MoverCall::copy_file_range, errno)) {
        return Moved::unsupported();
      } else {
        throw mover_error("copy a range of", job, errno);
      }
    }
    return moved;
  }

 private:
  static ssize_t call(const MoveJob& job, std::uint64_t offset, std::uint64_t want) {
    auto in_offset = static_cast<off_t>(offset);
    off_t out_offset = in_offset;
    return sys().copy_file_range(job.in_fd, &in_offset, job.out_fd, &out_offset,
                                 static_cast<std::size_t>(want), 0);
  }

  // 0 should mean the end of the input, and so may EINVAL where another program has shortened it
  // (generic_remap_checks() in the kernel); but some file systems say them for what they cannot
  // copy.
  static Moved stopped(const MoveJob& job, const Moved& moved, const FileStat& before,
                       int os_errno) {
    const FileStat now = stat_of(job.in_fd, job.in_path);
    if (now.size_bytes <= job.offset_bytes + moved.bytes) return moved;
    const bool changed = !now.unchanged(before);
    if (moved.bytes == 0) return Moved::unsupported(changed);
    if (changed) return moved;  // it was shorter for a moment
    throw system_error("copy a range of", job.in_path, os_errno);
  }
};

}  // namespace

std::unique_ptr<Mover> make_range_mover() {
  return keeping_holes(std::make_unique<RangeMover>());
}

}  // namespace sqlbk::copy
