#include <algorithm>
#include <vector>

#include "keeps_holes.hpp"
#include "mover.hpp"
#include "sqlbk/core/io.hpp"

namespace sqlbk::copy {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20U;

class PlainMover final : public Mover {
 public:
  std::string_view name() const noexcept override { return "plain"; }
  std::string_view summary() const noexcept override { return "read and write; works everywhere"; }

  Moved move(const MoveJob& job, RunContext& context) override {
    std::vector<std::byte> buffer(
        static_cast<std::size_t>(std::min<std::uint64_t>(kBufferBytes, job.length_bytes)));
    Moved moved;
    while (moved.bytes < job.length_bytes) {
      const auto want = static_cast<std::size_t>(
          std::min<std::uint64_t>(buffer.size(), job.length_bytes - moved.bytes));
      const std::span<std::byte> part = std::span(buffer).first(want);
      const std::uint64_t offset = job.offset_bytes + moved.bytes;
      const std::size_t got = read_up_to(job.in_fd, part, offset, job.in_path);
      write_all(job.out_fd, part.first(got), offset, job.out_path);
      moved.bytes += got;
      context.advance(got);
      if (got < want) break;
    }
    return moved;
  }
};

}  // namespace

std::unique_ptr<Mover> make_plain_mover() {
  return keeping_holes(std::make_unique<PlainMover>());
}

}  // namespace sqlbk::copy
