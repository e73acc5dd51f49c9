// The state of a database that is checked: a main file and, over it, the committed frames of a WAL,
// both read from open descriptors. Private to libcheckpoint.
// Thread-safety: read() from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>

#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/staged_image.hpp"

namespace sqlbk::checkpoint {

class CheckedState {
 public:
  // Main alone, as large as it is. The descriptors are borrowed.
  CheckedState(int main_fd, std::string main_path);
  // Lays frames 1 to prefix.frames over it. REQUIRES: prefix.frames != 0.
  void lay_over(int wal_fd, std::string wal_path, const WalPrefix& prefix, RunContext& context);

  const std::string& main_path() const noexcept { return main_path_; }
  std::uint64_t size_bytes() const noexcept { return size_bytes_; }
  // Fewer bytes only at the end.
  std::size_t read(std::span<std::byte> buffer, std::uint64_t offset) const;

 private:
  std::size_t read_page_part(std::span<std::byte> buffer, std::uint32_t page_number,
                             std::uint32_t offset) const;

  int main_fd_;
  std::string main_path_;
  std::uint64_t size_bytes_;
  int wal_fd_ = -1;
  std::string wal_path_;
  std::uint32_t page_size_bytes_ = 0;
  std::unordered_map<std::uint32_t, std::uint64_t> frame_of_page_;
};

}  // namespace sqlbk::checkpoint
