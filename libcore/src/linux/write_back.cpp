#include "linux/write_back.hpp"

#include <cerrno>
#include <chrono>
#include <fcntl.h>

#include "sqlbk/core/sys.hpp"

namespace sqlbk::platform {
namespace {

// Two are under way. With less a disk is not busy all the time; with more those who sync another
// file on it wait longer (docs/benchmarks.md, "What the writers notice").
constexpr off_t kPieceBytes = off_t{256} << 10;
// A disk that takes longer for a piece is busy with what others gave it. Piece after piece would
// stand in that queue again and again, and spare nobody anything.
constexpr std::chrono::milliseconds kBusyDisk{50};

int range(int fd, off_t offset, unsigned flags) noexcept {
  while (sys().sync_file_range(fd, offset, kPieceBytes, flags) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

// A kernel, a sandbox or a file system without the call. Of a wait the same would be a write that
// failed, and nobody would tell it again.
bool means_unsupported(int error) noexcept {
  return error == ENOSYS || error == EPERM || error == EOPNOTSUPP || error == EINVAL;
}

}  // namespace

int write_back(int fd, std::uint64_t size_bytes) noexcept {
  const auto size = static_cast<off_t>(size_bytes);
  if (size == 0) return 0;
  int error = range(fd, 0, SYNC_FILE_RANGE_WRITE);
  if (means_unsupported(error)) return 0;
  for (off_t offset = kPieceBytes; error == 0 && offset < size; offset += kPieceBytes) {
    error = range(fd, offset, SYNC_FILE_RANGE_WRITE);
    const auto began = std::chrono::steady_clock::now();
    if (error == 0) error = range(fd, offset - kPieceBytes, SYNC_FILE_RANGE_WAIT_BEFORE);
    if (std::chrono::steady_clock::now() - began > kBusyDisk) break;
  }
  return error;
}

}  // namespace sqlbk::platform
