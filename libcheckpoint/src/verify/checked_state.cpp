#include "checked_state.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "sqlbk/core/io.hpp"
#include "sqlbk/format/wal.hpp"

namespace sqlbk::checkpoint {

CheckedState::CheckedState(int main_fd, std::string main_path)
    : main_fd_(main_fd),
      main_path_(std::move(main_path)),
      size_bytes_(stat_of(main_fd, main_path_).size_bytes) {}

void CheckedState::lay_over(int wal_fd, std::string wal_path, const WalPrefix& prefix,
                            RunContext& context) {
  wal_fd_ = wal_fd;
  wal_path_ = std::move(wal_path);
  page_size_bytes_ = prefix.header.page_size_bytes;
  size_bytes_ = std::uint64_t{prefix.size_pages} * page_size_bytes_;
  std::array<std::byte, format::kWalFrameHeaderSizeBytes> bytes{};
  for (std::uint64_t frame = 1; frame <= prefix.frames; ++frame) {
    if (frame % 1024 == 0) context.tick();
    static_cast<void>(
        read_up_to(wal_fd_, bytes, format::wal_frame_offset(frame, page_size_bytes_), wal_path_));
    // A later frame of the same page counts.
    frame_of_page_[format::parse_wal_frame_header(bytes).page_number] = frame;
  }
}

std::size_t CheckedState::read(std::span<std::byte> buffer, std::uint64_t offset) const {
  if (offset >= size_bytes_) return 0;
  const std::uint64_t left = size_bytes_ - offset;
  if (buffer.size() > left) buffer = buffer.first(static_cast<std::size_t>(left));
  if (frame_of_page_.empty()) return read_up_to(main_fd_, buffer, offset, main_path_);
  std::size_t done = 0;
  while (done < buffer.size()) {
    const std::uint64_t at = offset + done;
    const auto in_page = static_cast<std::uint32_t>(at % page_size_bytes_);
    const std::size_t part =
        std::min<std::size_t>(buffer.size() - done, page_size_bytes_ - in_page);
    const std::size_t got = read_page_part(
        buffer.subspan(done, part), static_cast<std::uint32_t>(at / page_size_bytes_ + 1), in_page);
    done += got;
    if (got < part) break;
  }
  return done;
}

std::size_t CheckedState::read_page_part(std::span<std::byte> buffer, std::uint32_t page_number,
                                         std::uint32_t offset) const {
  const auto found = frame_of_page_.find(page_number);
  if (found == frame_of_page_.end()) {
    const std::uint64_t page_offset = std::uint64_t{page_number - 1} * page_size_bytes_;
    return read_up_to(main_fd_, buffer, page_offset + offset, main_path_);
  }
  const std::uint64_t frame_offset = format::wal_frame_offset(found->second, page_size_bytes_);
  return read_up_to(wal_fd_, buffer, frame_offset + format::kWalFrameHeaderSizeBytes + offset,
                    wal_path_);
}

}  // namespace sqlbk::checkpoint
