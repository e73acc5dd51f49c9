// Frames of a WAL file in order, read in batches. Private to libcore.
// Memory: one batch. Thread-safety: one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sqlbk/core/io.hpp"
#include "sqlbk/format/wal.hpp"

namespace sqlbk {

class WalFrames {
 public:
  // Large enough that system calls do not count, small enough to stay in the cache.
  static constexpr std::size_t kBatchBytes = std::size_t{1} << 20U;

  WalFrames(int fd, const std::string& path, std::uint32_t page_size_bytes)
      : fd_(fd),
        path_(path),
        page_size_bytes_(page_size_bytes),
        frame_size_(static_cast<std::size_t>(format::wal_frame_size_bytes(page_size_bytes))),
        buffer_(std::max<std::size_t>(1, kBatchBytes / frame_size_) * frame_size_) {}

  // Whole bytes of the next frame, from frame 1 on; empty where the file ends before its end.
  format::Bytes next() {
    if (at_ + frame_size_ > have_) {
      have_ =
          read_up_to(fd_, buffer_, format::wal_frame_offset(frame_ + 1, page_size_bytes_), path_);
      at_ = 0;
      if (have_ < frame_size_) return {};
    }
    const format::Bytes bytes = format::Bytes(buffer_).subspan(at_, frame_size_);
    at_ += frame_size_;
    ++frame_;
    return bytes;
  }

 private:
  int fd_;
  const std::string& path_;
  std::uint32_t page_size_bytes_;
  std::size_t frame_size_;
  std::vector<std::byte> buffer_;
  std::size_t at_ = 0;
  std::size_t have_ = 0;
  std::uint64_t frame_ = 0;  // the last one that next() gave
};

}  // namespace sqlbk
