#include "sqlbk/core/fold.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "cksumvfs.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/format/db_header.hpp"
#include "truncation.hpp"

namespace sqlbk {
namespace {

using format::wal_frame_offset;
using format::wal_frame_size_bytes;

// Large enough that system calls do not count, small enough to stay in the cache.
constexpr std::size_t kBatchBytes = std::size_t{1} << 20U;

// Frames of a WAL file in order, read in batches.
class FrameReader {
 public:
  FrameReader(int fd, const std::string& path, std::uint32_t page_size_bytes)
      : fd_(fd),
        path_(path),
        page_size_bytes_(page_size_bytes),
        frame_size_(static_cast<std::size_t>(wal_frame_size_bytes(page_size_bytes))),
        buffer_(std::max<std::size_t>(1, kBatchBytes / frame_size_) * frame_size_) {}

  // Whole bytes of frame `frame`; empty where the file ends before its end. Call with 1, 2, 3, …
  format::Bytes next(std::uint64_t frame) {
    if (at_ + frame_size_ > have_) {
      have_ = read_up_to(fd_, buffer_, wal_frame_offset(frame, page_size_bytes_), path_);
      at_ = 0;
      if (have_ < frame_size_) return {};
    }
    const format::Bytes bytes = format::Bytes(buffer_).subspan(at_, frame_size_);
    at_ += frame_size_;
    return bytes;
  }
  std::size_t frame_size_bytes() const noexcept { return frame_size_; }

 private:
  int fd_;
  const std::string& path_;
  std::uint32_t page_size_bytes_;
  std::size_t frame_size_;
  std::vector<std::byte> buffer_;
  std::size_t at_ = 0;
  std::size_t have_ = 0;
};

// What SQLite refuses to read (lockBtree() in btree.c): a main file from after the WAL, too.
void require_header_fits(int main_fd, const std::string& path, std::uint32_t size_pages) {
  std::array<std::byte, format::kDbHeaderSizeBytes> bytes{};
  const std::size_t got = read_up_to(main_fd, bytes, 0, path);
  const format::ParsedDbHeader header = format::parse_db_header(format::Bytes(bytes).first(got));
  if (!header || !header->has_valid_size() || header->size_pages <= size_pages) return;
  throw Error(Errc::damaged,
              "the database is damaged: its header says " + std::to_string(header->size_pages) +
                  " pages, the last commit in its WAL " + std::to_string(size_pages));
}

}  // namespace

// Whether the slot behind the last valid frame carries zero salts, as far as it is there.
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

// The 65536 bytes are for the lock page, which is never written.
void require_possible_size(std::uint64_t main_size_bytes, const WalPrefix& prefix) {
  const std::uint64_t page_size = prefix.header.page_size_bytes;
  const std::uint64_t wanted = prefix.size_pages * page_size;
  if (wanted <= main_size_bytes + 65536 + prefix.frames * page_size) return;
  throw Error(Errc::damaged, "the database is damaged: the last commit in its WAL says " +
                                 std::to_string(prefix.size_pages) + " pages of " +
                                 std::to_string(page_size) + " bytes, but the file has " +
                                 std::to_string(main_size_bytes) + " bytes and the WAL " +
                                 std::to_string(prefix.frames) + " frames");
}

WalScan scan_wal(int wal_fd, const std::string& path, RunContext& context) {
  WalScan scan;
  std::array<std::byte, format::kWalHeaderSizeBytes> header{};
  const std::size_t got = read_up_to(wal_fd, header, 0, path);
  scan.header = format::parse_wal_header(format::Bytes(header).first(got));
  if (!scan.header) return scan;
  format::WalScanner scanner(*scan.header);
  FrameReader frames(wal_fd, path, scan.header->page_size_bytes);
  std::uint64_t since_tick = 0;
  while (true) {
    const format::Bytes frame = frames.next(scanner.valid_frames() + 1);
    if (frame.empty() || !scanner.accept(frame)) break;
    since_tick += frame.size();
    if (since_tick >= 4 * kBatchBytes) {
      since_tick = 0;
      context.tick();
    }
  }
  scan.committed = {.header = *scan.header,
                    .frames = scanner.committed_frames(),
                    .size_pages = scanner.committed_size_pages(),
                    .vouched_by_index = false};
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

void fold_wal(int wal_fd, const std::string& wal_path, const WalPrefix& prefix, int main_fd,
              const std::string& main_path, RunContext& context) {
  if (prefix.frames == 0) {
    cut_to_header_size(main_fd, main_path);
    return;
  }
  const std::uint64_t main_size = stat_of(main_fd, main_path).size_bytes;
  // SQLite deletes a WAL beside an empty main unread (pagerOpenWalIfPresent() in pager.c).
  if (main_size == 0) return;
  const std::uint32_t page_size = prefix.header.page_size_bytes;
  require_possible_size(main_size, prefix);
  PageLayer layer(main_fd, main_path, page_size);
  FrameReader frames(wal_fd, wal_path, page_size);
  std::vector<std::byte> page(page_size);
  std::uint64_t since_tick = 0;
  for (std::uint64_t i = 1; i <= prefix.frames; ++i) {
    const format::Bytes frame = frames.next(i);
    if (frame.empty()) {
      throw Error(Errc::io_error, "unable to read " + quoted(wal_path) + ": it ends inside frame " +
                                      std::to_string(i))
          .with_path(wal_path);
    }
    const std::uint32_t page_number = format::parse_wal_frame_header(frame).page_number;
    // Frames of pages behind the end are from before the database shrank (walCheckpoint()).
    if (page_number == 0 || page_number > prefix.size_pages) continue;
    std::copy_n(frame.begin() + format::kWalFrameHeaderSizeBytes, page_size, page.begin());
    layer.put(page_number, page);
    since_tick += frame.size();
    if (since_tick >= 4 * kBatchBytes) {
      context.advance(since_tick);
      since_tick = 0;
    }
  }
  context.advance(since_tick);
  layer.finish(prefix.size_pages);
}

PageLayer::PageLayer(int main_fd, const std::string& path, std::uint32_t page_size_bytes)
    : main_fd_(main_fd),
      path_(path),
      page_size_bytes_(page_size_bytes),
      checksums_(std::make_unique<CksumvfsPages>(main_fd, path, page_size_bytes)) {}

PageLayer::~PageLayer() = default;

void PageLayer::put(std::uint32_t page_number, std::span<std::byte> page) {
  checksums_->seal(page);
  write_all(main_fd_, page, std::uint64_t{page_number - 1} * page_size_bytes_, path_);
}

void PageLayer::finish(std::uint32_t size_pages) {
  truncate_to(main_fd_, std::uint64_t{size_pages} * page_size_bytes_, path_);
  require_header_fits(main_fd_, path_, size_pages);
  checksums_->seal_new_reserve(main_fd_, path_, page_size_bytes_);
}

void cut_to_header_size(int main_fd, const std::string& path) {
  std::array<std::byte, format::kDbHeaderSizeBytes> bytes{};
  const std::size_t got = read_up_to(main_fd, bytes, 0, path);
  if (got == 0) return;  // an empty file is an empty database
  const format::ParsedDbHeader header = format::parse_db_header(format::Bytes(bytes).first(got));
  if (!header) {
    throw Error(Errc::damaged,
                "the copied database is damaged: " + std::string(format::to_string(header.issue)));
  }
  const std::uint64_t size = stat_of(main_fd, path).size_bytes;
  const std::uint64_t page_size = header->page_size_bytes;
  const std::uint64_t wanted =
      header->has_valid_size() ? header->size_pages * page_size : size / page_size * page_size;
  if (wanted > size) throw Error(Errc::damaged, truncation(*header, size));
  if (wanted < size) truncate_to(main_fd, wanted, path);
}

void set_header_mode(int main_fd, const std::string& path, bool wal) {
  std::array<std::byte, format::kDbHeaderSizeBytes> bytes{};
  if (read_up_to(main_fd, bytes, 0, path) < bytes.size()) return;  // an empty database
  const std::byte version{wal ? std::uint8_t{2} : std::uint8_t{1}};
  if (bytes[format::kDbWriteVersionOffset] == version &&
      bytes[format::kDbReadVersionOffset] == version) {
    return;
  }
  const format::ParsedDbHeader header = format::parse_db_header(bytes);
  if (!header) return;  // not for us to touch
  const CksumvfsPages checksums(main_fd, path, header->page_size_bytes);
  std::vector<std::byte> page(header->page_size_bytes);
  if (read_up_to(main_fd, page, 0, path) < page.size()) return;
  page[format::kDbWriteVersionOffset] = version;
  page[format::kDbReadVersionOffset] = version;
  checksums.seal(page);
  write_all(main_fd, page, 0, path);
}

}  // namespace sqlbk
