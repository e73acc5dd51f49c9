#include "sqlbk/core/holes.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unistd.h>

#include "sqlbk/core/file_system.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk {
namespace {

constexpr std::size_t kBlockBytes = 4096;

bool is_zero(std::span<const std::byte> bytes) noexcept {
  return bytes.empty() || (bytes[0] == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// Up to the next block of the file, `most` at most.
std::size_t to_block_end(std::uint64_t offset, std::size_t most) noexcept {
  return std::min(kBlockBytes - static_cast<std::size_t>(offset % kBlockBytes), most);
}

// ZFS waits for a whole transaction group where the file has just been written to
// (zfs_dmu_offset_next_sync), which a lock of ours would make its owner wait for.
bool answers_at_once(int fd, const std::string& path) {
  return file_system_of(fd, path).name != "zfs";
}

}  // namespace

bool may_have_holes(int fd, const std::string& path) {
  const FileStat file = stat_of(fd, path);
  return file.allocated_bytes < file.size_bytes && answers_at_once(fd, path);
}

Extent extent_at(int fd, std::uint64_t offset, std::uint64_t end_bytes) noexcept {
  const off_t data = sys().lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
  const bool none_behind = data < 0 && errno == ENXIO;
  if (none_behind) return {end_bytes, true};
  if (data < 0) return {end_bytes, false};
  if (static_cast<std::uint64_t>(data) > offset) {
    return {std::min(static_cast<std::uint64_t>(data), end_bytes), true};
  }
  const off_t hole = sys().lseek(fd, static_cast<off_t>(offset), SEEK_HOLE);
  if (hole <= static_cast<off_t>(offset)) return {end_bytes, false};
  return {std::min(static_cast<std::uint64_t>(hole), end_bytes), false};
}

std::uint64_t data_bytes(int fd, std::uint64_t length_bytes, const std::string& path) {
  if (!may_have_holes(fd, path)) return length_bytes;
  // Counting must not take long: a lock may be held.
  constexpr int kMostExtents = 4096;
  std::uint64_t data = 0;
  std::uint64_t offset = 0;
  for (int i = 0; i < kMostExtents && offset < length_bytes; ++i) {
    const Extent extent = extent_at(fd, offset, length_bytes);
    if (!extent.is_hole) data += extent.end_bytes - offset;
    offset = extent.end_bytes;
  }
  return data + (length_bytes - offset);
}

void write_around_holes(int fd, std::span<const std::byte> bytes, std::uint64_t offset,
                        std::uint64_t held_bytes, const std::string& path) {
  std::size_t pending = 0;  // bytes at the front that are to be written
  const auto write_pending = [&] {
    write_all(fd, bytes.first(pending), offset, path);
    bytes = bytes.subspan(pending);
    offset += pending;
    pending = 0;
  };
  while (pending < bytes.size()) {
    const std::uint64_t at = offset + pending;
    const std::size_t size = to_block_end(at, bytes.size() - pending);
    if (at < held_bytes || !is_zero(bytes.subspan(pending, size))) {
      pending += size;
      continue;
    }
    write_pending();
    bytes = bytes.subspan(size);
    offset += size;
  }
  write_pending();
}

}  // namespace sqlbk
