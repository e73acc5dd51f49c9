#include "sqlbk/core/wal_tail.hpp"

#include <optional>
#include <vector>

#include "sqlbk/core/io.hpp"

namespace sqlbk {
namespace {

using format::WalChecksum;
using format::WalFrameHeader;
using format::WalSalt;

// Frames of a WAL in any order, each checked against its predecessor only.
class Frames {
 public:
  Frames(int wal_fd, const std::string& path, std::uint32_t page_size_bytes, bool big_endian)
      : wal_fd_(wal_fd),
        path_(path),
        page_size_bytes_(page_size_bytes),
        big_endian_(big_endian),
        buffer_(static_cast<std::size_t>(format::wal_frame_size_bytes(page_size_bytes))) {}

  // False where the file ends before the frame does.
  bool load(std::uint64_t frame) {
    return read_up_to(wal_fd_, buffer_, format::wal_frame_offset(frame, page_size_bytes_), path_) ==
           buffer_.size();
  }
  WalFrameHeader header() const {
    return format::parse_wal_frame_header(
        format::Bytes(buffer_).first(format::kWalFrameHeaderSizeBytes));
  }
  // What the checksum of the loaded frame should be, behind this one.
  WalChecksum computed(WalChecksum previous) const {
    const format::Bytes bytes(buffer_);
    const WalChecksum over_header = format::wal_checksum(previous, bytes.first(8), big_endian_);
    return format::wal_checksum(over_header, bytes.subspan(format::kWalFrameHeaderSizeBytes),
                                big_endian_);
  }

 private:
  int wal_fd_;
  const std::string& path_;
  std::uint32_t page_size_bytes_;
  bool big_endian_;
  std::vector<std::byte> buffer_;
};

// The last commit of the unbroken run of frames behind `frame`, whose checksum is `stored`, all
// with the same salts; 0: none.
std::uint64_t last_commit_behind(Frames& frames, std::uint64_t frame, WalChecksum stored,
                                 const std::optional<WalSalt>& salt, RunContext& context) {
  std::uint64_t last_commit = 0;
  std::optional<WalSalt> wanted = salt;
  while (frames.load(++frame)) {
    context.tick();
    const WalFrameHeader header = frames.header();
    if (!wanted) wanted = header.salt;
    if (header.salt != *wanted || header.page_number == 0 ||
        frames.computed(stored) != header.checksum) {
      break;
    }
    stored = header.checksum;
    if (header.is_commit()) last_commit = frame;
  }
  return last_commit;
}

}  // namespace

std::uint64_t last_commit_cut_off(int wal_fd, const std::string& path, const WalScan& scan,
                                  RunContext& context) {
  const format::WalHeader& header = *scan.header;
  Frames frames(wal_fd, path, header.page_size_bytes, header.big_endian_checksum);
  const std::uint64_t bad = scan.valid_frames + 1;
  WalChecksum previous = header.checksum;
  if (bad > 1) {
    if (!frames.load(bad - 1)) return 0;
    previous = frames.header().checksum;
  }
  if (!frames.load(bad)) return 0;
  // Its page or its checksum may be what is wrong.
  const WalChecksum stored = frames.header().checksum;
  const WalChecksum computed = frames.computed(previous);
  const std::uint64_t last = last_commit_behind(frames, bad, stored, header.salt, context);
  return last != 0 ? last : last_commit_behind(frames, bad, computed, header.salt, context);
}

std::uint64_t last_commit_without_header(int wal_fd, const std::string& path,
                                         std::uint32_t page_size_bytes, RunContext& context) {
  for (const bool big_endian : {false, true}) {
    Frames frames(wal_fd, path, page_size_bytes, big_endian);
    // Whether frame 1 is whole only a sound header can tell; the frames behind it can.
    if (!frames.load(1)) break;
    const std::uint64_t last =
        last_commit_behind(frames, 1, frames.header().checksum, std::nullopt, context);
    if (last != 0) return last;
  }
  return 0;
}

}  // namespace sqlbk
