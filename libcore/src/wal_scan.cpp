#include "sqlbk/core/wal_scan.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "wal_frames.hpp"

namespace sqlbk {

using format::wal_frame_offset;

namespace {

// The last frame of each page among those that are committed: a frame of an open transaction takes
// no other one's place before the commit is there.
class CommittedFrames {
 public:
  void add(const format::WalFrameHeader& frame, std::uint64_t number) {
    open_.push_back({frame.page_number, static_cast<std::uint32_t>(number)});
    if (!frame.is_commit()) return;
    for (const PageSlot& slot : open_) map_.put(slot.page_number, slot.slot);
    open_.clear();
  }
  PageMap finish(std::uint32_t size_pages) && { return std::move(map_).finish(size_pages); }

 private:
  PageMapBuilder map_;
  std::vector<PageSlot> open_;
};

// Reads frames as long as they are valid.
void read_valid(WalFrames& frames, format::WalScanner& scanner, CommittedFrames& noted,
                RunContext& context) {
  std::uint64_t since_tick = 0;
  while (true) {
    const format::Bytes frame = frames.next();
    if (frame.empty() || !scanner.accept(frame)) return;
    noted.add(format::parse_wal_frame_header(frame), scanner.valid_frames());
    since_tick += frame.size();
    if (since_tick < 4 * WalFrames::kBatchBytes) continue;
    since_tick = 0;
    context.tick();
  }
}

}  // namespace

bool slot_has_zero_salts(int wal_fd, const std::string& path, std::uint64_t offset) {
  constexpr std::size_t kSaltOffset = 8;
  std::array<std::byte, format::kWalFrameHeaderSizeBytes> bytes{};
  const std::size_t got = read_up_to(wal_fd, bytes, offset, path);
  if (got == 0) return false;
  // A slot cut off inside its salts may be anything: suspect, unless a byte there says otherwise.
  const std::size_t end = std::min<std::size_t>(got, 16);
  for (std::size_t i = kSaltOffset; i < end; ++i) {
    if (bytes[i] != std::byte{0}) return false;
  }
  return got > kSaltOffset;
}

WalScan scan_wal(int wal_fd, const std::string& path, RunContext& context) {
  WalScan scan;
  std::array<std::byte, format::kWalHeaderSizeBytes> header{};
  const std::size_t got = read_up_to(wal_fd, header, 0, path);
  scan.header = format::parse_wal_header(format::Bytes(header).first(got));
  if (!scan.header) return scan;
  format::WalScanner scanner(*scan.header);
  WalFrames frames(wal_fd, path, scan.header->page_size_bytes);
  CommittedFrames noted;
  read_valid(frames, scanner, noted, context);
  scan.committed = {.header = *scan.header,
                    .frames = scanner.committed_frames(),
                    .size_pages = scanner.committed_size_pages(),
                    .vouched_by_index = false,
                    .last_frames = {scanner.committed_frames(),
                                    std::move(noted).finish(scanner.committed_size_pages())}};
  scan.valid_frames = scanner.valid_frames();
  scan.zero_salts_follow = slot_has_zero_salts(
      wal_fd, path, wal_frame_offset(scan.valid_frames + 1, scan.header->page_size_bytes));
  return scan;
}

WalPrefix prefix_vouched_by_index(int wal_fd, const std::string& path,
                                  const format::WalHeader& header, std::uint64_t frames,
                                  std::uint32_t size_pages) {
  std::array<std::byte, format::kWalFrameHeaderSizeBytes> bytes{};
  const std::uint64_t offset = wal_frame_offset(frames, header.page_size_bytes);
  const std::size_t got = read_up_to(wal_fd, bytes, offset, path);
  const FileStat stat = stat_of(wal_fd, path);
  const bool whole = stat.size_bytes >= wal_frame_offset(frames + 1, header.page_size_bytes);
  if (got != bytes.size() || !whole ||
      format::parse_wal_frame_header(bytes).commit_size_pages != size_pages || size_pages == 0) {
    throw Error(Errc::frames_without_checksum,
                "unable to copy the committed frames of " + quoted(path) + ": frame " +
                    std::to_string(frames) + ", the last one by the wal-index, is not a commit")
        .with_path(path);
  }
  return {.header = header, .frames = frames, .size_pages = size_pages, .vouched_by_index = true};
}

}  // namespace sqlbk
