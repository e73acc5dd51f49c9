#include "flush_ahead.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>

#include "sqlbk/core/reflink_support.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk::copy {
namespace {

constexpr off_t kPieceBytes = off_t{1} << 20;
constexpr unsigned kWriteAndWait =
    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

bool flush_piece(int fd, off_t offset) noexcept {
  while (sys().sync_file_range(fd, offset, kPieceBytes, kWriteAndWait) != 0) {
    if (errno != EINTR) return false;
  }
  return true;
}

void flush(int fd, std::uint64_t size_bytes, RunContext& context) {
  const auto size = static_cast<off_t>(size_bytes);
  for (off_t offset = 0; offset < size; offset += kPieceBytes) {
    if (!flush_piece(fd, offset)) return;
    context.tick();
  }
}

}  // namespace

void flush_ahead(const LiveFiles& files, const MoverLadder& movers, RunContext& context) {
  const bool may_share =
      std::ranges::any_of(movers, [](const auto& mover) { return mover->shares_extents(); });
  if (!may_share || reflink_support(files.fd_of(SourceFile::main)) != ReflinkSupport::likely) {
    return;
  }
  for (const SourceFile file : {SourceFile::main, SourceFile::wal}) {
    if (files.has(file)) flush(files.fd_of(file), files.stat(file).size_bytes, context);
  }
}

}  // namespace sqlbk::copy
