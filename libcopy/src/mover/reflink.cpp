#include <algorithm>
#include <cerrno>

#include "errno_table.hpp"
#include "mover.hpp"
#include "mover_error.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk::copy {
namespace {

class ReflinkMover final : public Mover {
 public:
  std::string_view name() const noexcept override { return "reflink"; }
  std::string_view summary() const noexcept override {
    return "FICLONE: shares the blocks, on btrfs, XFS and the like; flushes the source's dirty "
           "pages first";
  }
  bool shares_extents() const noexcept override { return true; }

  Moved move(const MoveJob& job, RunContext& context) override {
    context.tick();
    const FileStat before = stat_of(job.in_fd, job.in_path);
    const std::uint64_t held = stat_of(job.out_fd, job.out_path).size_bytes;
    // Not by a range where it can be helped: its end has to be that of the input, which may have
    // grown, or of a block.
    const bool whole_file =
        job.offset_bytes == 0 && job.length_bytes >= std::min(before.size_bytes, held);
    // A clone does not shorten: what an earlier round left behind its end would pass for cloned.
    if (whole_file && held != 0) truncate_to(job.out_fd, 0, job.out_path);
    int result = call(job, whole_file);
    while (result != 0 && errno == EINTR) {
      context.tick();
      result = call(job, whole_file);
    }
    if (result != 0) {
      const int os_errno = errno;
      if (!is_unsupported(MoverCall::ficlone, os_errno)) {
        throw mover_error("reflink", job, os_errno);
      }
      // EINVAL is also said of a range that is not in the file any more.
      const bool is_size = os_errno == EINVAL && !stat_of(job.in_fd, job.in_path).unchanged(before);
      return Moved::unsupported(is_size);
    }
    // The clone is of the file as it was at the call, which may be longer than a moment before.
    const std::uint64_t out_size = stat_of(job.out_fd, job.out_path).size_bytes;
    const std::uint64_t moved =
        std::min(out_size > job.offset_bytes ? out_size - job.offset_bytes : 0, job.length_bytes);
    if (whole_file && out_size > job.length_bytes) {
      truncate_to(job.out_fd, job.length_bytes, job.out_path);
    }
    context.advance(moved);
    return {MoveOutcome::done, moved};
  }

 private:
  static int call(const MoveJob& job, bool whole_file) {
    if (whole_file) return sys().ficlone(job.out_fd, job.in_fd);
    return sys().ficlonerange(job.out_fd, job.in_fd, static_cast<off_t>(job.offset_bytes),
                              static_cast<off_t>(job.length_bytes),
                              static_cast<off_t>(job.offset_bytes));
  }
};

}  // namespace

std::unique_ptr<Mover> make_reflink_mover() {
  return std::make_unique<ReflinkMover>();
}

}  // namespace sqlbk::copy
