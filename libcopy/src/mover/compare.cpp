#include "compare.hpp"

#include <algorithm>
#include <vector>

#include "sqlbk/core/io.hpp"

namespace sqlbk::copy {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 18U;
// A page of the cache: what is written is written in such pieces at least.
constexpr std::size_t kPieceBytes = 4096;

class BufferedCompareMover final : public CompareMover {
 public:
  std::string_view name() const noexcept override { return "compare"; }
  std::string_view summary() const noexcept override { return "writes only what differs"; }
  std::uint64_t written_bytes() const noexcept override { return written_bytes_; }

  Moved move(const MoveJob& job, RunContext& context) override {
    Moved moved;
    while (moved.bytes < job.length_bytes) {
      const auto want = static_cast<std::size_t>(
          std::min<std::uint64_t>(kBufferBytes, job.length_bytes - moved.bytes));
      const std::uint64_t offset = job.offset_bytes + moved.bytes;
      const std::size_t got =
          read_up_to(job.in_fd, std::span(wanted_).first(want), offset, job.in_path);
      const std::size_t held =
          read_up_to(job.out_fd, std::span(present_).first(got), offset, job.out_path);
      write_differences(job, offset, got, held);
      moved.bytes += got;
      context.advance(got);
      if (got < want) break;
    }
    return moved;
  }

 private:
  void write_differences(const MoveJob& job, std::uint64_t offset, std::size_t got,
                         std::size_t held) {
    for (std::size_t at = 0; at < got; at += kPieceBytes) {
      const std::size_t size = std::min(kPieceBytes, got - at);
      const bool same =
          at + size <= held && std::equal(wanted_.begin() + static_cast<std::ptrdiff_t>(at),
                                          wanted_.begin() + static_cast<std::ptrdiff_t>(at + size),
                                          present_.begin() + static_cast<std::ptrdiff_t>(at));
      if (same) continue;
      write_all(job.out_fd, std::span(wanted_).subspan(at, size), offset + at, job.out_path);
      written_bytes_ += size;
    }
  }

  std::vector<std::byte> wanted_ = std::vector<std::byte>(kBufferBytes);
  std::vector<std::byte> present_ = std::vector<std::byte>(kBufferBytes);
  std::uint64_t written_bytes_ = 0;
};

}  // namespace

std::unique_ptr<CompareMover> make_compare_mover() {
  return std::make_unique<BufferedCompareMover>();
}

}  // namespace sqlbk::copy
