// Page checksums of the cksumvfs extension (sqlite.org/cksumvfs.html): the last 8 bytes of each
// page. The extension computes them when a checkpoint writes the main file, so the frames of a WAL
// carry stale ones; whoever writes frames or page 1 into a main file must do the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sqlbk {

class CksumvfsPages {
 public:
  // Looks at the main file: its header must reserve 8 bytes a page, and one of its first pages must
  // carry a right checksum; otherwise seal() does nothing.
  CksumvfsPages(int main_fd, const std::string& path, std::uint32_t page_size_bytes);

  bool in_use() const noexcept { return in_use_; }
  // Once the WAL lies over main: if that gave each page 8 reserved bytes, as VACUUM does after
  // SQLITE_FCNTL_RESERVE_BYTES, they are zero until a checkpoint by the extension computes them.
  // Then does so; SQLite itself never reads these bytes.
  void seal_new_reserve(int main_fd, const std::string& path, std::uint32_t page_size_bytes) const;
  // Writes the checksum of `page` into its last 8 bytes, if the database uses them.
  void seal(std::span<std::byte> page) const noexcept;

 private:
  bool had_no_reserve_ = false;
  bool in_use_ = false;
};

}  // namespace sqlbk
