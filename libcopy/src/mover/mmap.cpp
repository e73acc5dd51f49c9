#include <algorithm>
#include <cerrno>
#include <sys/mman.h>

#include "errno_table.hpp"
#include "keeps_holes.hpp"
#include "mover.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/file_system.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk::copy {
namespace {

constexpr std::uint64_t kWindowBytes = std::uint64_t{8} << 20U;
constexpr std::uint64_t kAlignment = 65536;  // a multiple of every page size that Linux has

class Window {
 public:
  Window(int fd, std::uint64_t offset, std::size_t size) : size_(size) {
    address_ = sys().mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(offset));
  }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;
  ~Window() {
    if (is_mapped()) static_cast<void>(::munmap(address_, size_));
  }
  bool is_mapped() const noexcept { return address_ != MAP_FAILED; }
  const std::byte* data() const noexcept { return static_cast<const std::byte*>(address_); }
  void read_ahead() const noexcept {
    static_cast<void>(::madvise(address_, size_, MADV_SEQUENTIAL));
  }

 private:
  void* address_;
  std::size_t size_;
};

class MmapMover final : public Mover {
 public:
  std::string_view name() const noexcept override { return "mmap"; }
  std::string_view summary() const noexcept override {
    return "maps windows of 8 MiB and hands them to write(2)";
  }

  Moved move(const MoveJob& job, RunContext& context) override {
    // There a mapping may show an older file than read(2) does.
    if (file_system_of(job.in_fd, job.in_path).kind == FileSystemKind::overlay) {
      return Moved::unsupported();
    }
    const std::uint64_t size = stat_of(job.in_fd, job.in_path).size_bytes;
    if (job.offset_bytes >= size) return {};
    const std::uint64_t end =
        job.offset_bytes + std::min(job.length_bytes, size - job.offset_bytes);
    Moved moved;
    for (std::uint64_t offset = job.offset_bytes; offset < end;) {
      const std::uint64_t base = offset / kAlignment * kAlignment;
      const std::uint64_t stop = std::min(base + kWindowBytes, end);
      const Window window(job.in_fd, base, static_cast<std::size_t>(stop - base));
      if (!window.is_mapped()) {
        if (moved.bytes == 0 && is_unsupported(MoverCall::mmap, errno)) return Moved::unsupported();
        throw system_error("map", job.in_path, errno);
      }
      window.read_ahead();
      std::uint64_t written = write_window(job, window, base, offset, stop);
      // Between the end of a file and the end of its last page a mapping has zeros that are not the
      // file's: what was shortened inside that page would pass for whole.
      const std::uint64_t size_now = stat_of(job.in_fd, job.in_path).size_bytes;
      written = std::min(written, size_now > offset ? size_now - offset : 0);
      moved.bytes += written;
      context.advance(written);
      if (offset + written < stop) break;  // the source was shortened under the mapping
      offset = stop;
    }
    return moved;
  }

 private:
  // No byte of the mapping is touched here, only by write(2): where the source was shortened, the
  // kernel answers EFAULT or a short count instead of sending SIGBUS.
  static std::uint64_t write_window(const MoveJob& job, const Window& window, std::uint64_t base,
                                    std::uint64_t offset, std::uint64_t stop) {
    std::uint64_t at = offset;
    while (at < stop) {
      const ssize_t count =
          sys().pwrite(job.out_fd, window.data() + (at - base), static_cast<std::size_t>(stop - at),
                       static_cast<off_t>(at));
      if (count > 0) {
        at += static_cast<std::uint64_t>(count);
      } else if (count < 0 && errno == EFAULT) {
        break;
      } else if (count == 0 || errno != EINTR) {
        throw system_error("write", job.out_path, count == 0 ? EIO : errno);
      }
    }
    return at - offset;
  }
};

}  // namespace

std::unique_ptr<Mover> make_mmap_mover() {
  return keeping_holes(std::make_unique<MmapMover>());
}

}  // namespace sqlbk::copy
