#include "sqlbk/core/committed_view.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/format/db_header.hpp"
#include "truncation.hpp"
#include "wal_frames.hpp"

namespace sqlbk {
namespace {

// SQLite allows this much for the page that holds the lock bytes, which is never written
// (walCheckpoint() in wal.c).
constexpr std::uint64_t kLockPageBytes = 65536;

void read_whole(const BorrowedFile& file, std::uint64_t offset, std::span<std::byte> buffer) {
  if (read_up_to(file.fd, buffer, offset, file.path) == buffer.size()) return;
  throw Error(Errc::io_error, "unable to read " + quoted(file.path) + ": it is shorter than it was")
      .with_path(file.path);
}

format::WalFrameHeader frame_header(const BorrowedFile& wal, std::uint64_t frame,
                                    std::uint32_t page_size) {
  std::array<std::byte, format::kWalFrameHeaderSizeBytes> bytes{};
  read_whole(wal, format::wal_frame_offset(frame, page_size), bytes);
  return format::parse_wal_frame_header(bytes);
}

PageMap last_frames(const BorrowedFile& wal, const WalPrefix& prefix, RunContext& context) {
  if (prefix.frames > std::numeric_limits<std::uint32_t>::max()) {
    throw Error(Errc::damaged, quoted(wal.path) + " has more frames than SQLite can number")
        .with_path(wal.path);
  }
  if (prefix.last_frames.frames == prefix.frames) return prefix.last_frames.map;
  constexpr std::uint64_t kFramesBetweenTicks = 1024;
  PageMapBuilder builder;
  for (std::uint64_t frame = 1; frame <= prefix.frames; ++frame) {
    if (frame % kFramesBetweenTicks == 0) context.tick();
    const std::uint32_t page_number =
        frame_header(wal, frame, prefix.header.page_size_bytes).page_number;
    if (page_number != 0) builder.put(page_number, static_cast<std::uint32_t>(frame));
  }
  // Pages behind the end are from before the database shrank (walCheckpoint()).
  return std::move(builder).finish(prefix.size_pages);
}

}  // namespace

void NewerPages::read(const PageSlot& page, std::uint64_t offset,
                      std::span<std::byte> buffer) const {
  read_whole(file, offset_of(page.slot) + offset, buffer);
}

CommittedView::CommittedView(BorrowedFile main, std::uint32_t page_size_bytes,
                             std::uint32_t size_pages, NewerPages newer, std::uint64_t frames)
    : main_(std::move(main)),
      page_size_bytes_(page_size_bytes),
      size_pages_(size_pages),
      newer_(std::move(newer)),
      frames_(frames) {}

CommittedView CommittedView::of_main(BorrowedFile main) {
  std::array<std::byte, format::kDbHeaderSizeBytes> bytes{};
  const std::size_t got = read_up_to(main.fd, bytes, 0, main.path);
  if (got == 0) return {std::move(main), 0, 0, {}, 0};
  const format::ParsedDbHeader header = format::parse_db_header(format::Bytes(bytes).first(got));
  if (!header) {
    throw Error(Errc::damaged,
                "the database is damaged: " + std::string(format::to_string(header.issue)));
  }
  const std::uint64_t size = stat_of(main.fd, main.path).size_bytes;
  const std::uint64_t whole_pages = std::min<std::uint64_t>(
      size / header->page_size_bytes, std::numeric_limits<std::uint32_t>::max());
  if (!header->has_valid_size()) {
    return {
        std::move(main), header->page_size_bytes, static_cast<std::uint32_t>(whole_pages), {}, 0};
  }
  if (header->size_pages > whole_pages) {
    throw Error(Errc::damaged, truncation(*header, size));
  }
  return {std::move(main), header->page_size_bytes, header->size_pages, {}, 0};
}

CommittedView CommittedView::of_wal(BorrowedFile main, BorrowedFile wal, const WalPrefix& prefix,
                                    RunContext& context) {
  if (prefix.frames == 0) return of_main(std::move(main));
  if (stat_of(main.fd, main.path).size_bytes == 0) return {std::move(main), 0, 0, {}, 0};
  const std::uint32_t page_size = prefix.header.page_size_bytes;
  PageMap map = last_frames(wal, prefix, context);
  NewerPages newer{
      .file = std::move(wal),
      .first_offset_bytes = format::kWalHeaderSizeBytes + format::kWalFrameHeaderSizeBytes,
      .slot_size_bytes = format::wal_frame_size_bytes(page_size),
      .map = std::move(map)};
  return {std::move(main), page_size, prefix.size_pages, std::move(newer), prefix.frames};
}

CommittedView CommittedView::of_image(StagedImage& image, RunContext& context) {
  BorrowedFile main{image.main_fd(), image.main_path()};
  if (!image.wal_prefix) return of_main(std::move(main));
  return of_wal(std::move(main), {image.wal_fd(), image.wal_path()}, *image.wal_prefix, context);
}

// One read of main where any page comes from it, however many frames lie between: a call for each
// piece takes longer than to read some bytes twice.
void CommittedView::read_bytes(std::uint64_t offset, std::span<std::byte> buffer) const {
  if (buffer.empty()) return;
  const std::uint64_t end = offset + buffer.size();
  const auto first = static_cast<std::uint32_t>(offset / page_size_bytes_ + 1);
  const auto last = static_cast<std::uint32_t>((end - 1) / page_size_bytes_ + 1);
  const std::span<const PageSlot> newer = newer_.map.pages(first, last);
  if (newer.size() <= last - first) read_main(offset, buffer);
  for (const PageSlot& page : newer) {
    const std::uint64_t page_offset = std::uint64_t{page.page_number - 1} * page_size_bytes_;
    const std::uint64_t from = std::max(offset, page_offset);
    const std::uint64_t to = std::min(end, page_offset + page_size_bytes_);
    const std::span<std::byte> part = buffer.subspan(from - offset, to - from);
    newer_.read(page, from - page_offset, part);
  }
}

void CommittedView::read_main(std::uint64_t offset, std::span<std::byte> buffer) const {
  const std::size_t got = read_up_to(main_.fd, buffer, offset, main_.path);
  std::ranges::fill(buffer.subspan(got), std::byte{0});
}

void CommittedView::require_possible_size() const {
  if (frames_ == 0) return;  // of_main() has asked
  const std::uint64_t main_size = stat_of(main_.fd, main_.path).size_bytes;
  if (size_bytes() > main_size + kLockPageBytes + frames_ * page_size_bytes_) {
    throw Error(Errc::damaged, "the database is damaged: the last commit in its WAL says " +
                                   std::to_string(size_pages_) + " pages of " +
                                   std::to_string(page_size_bytes_) + " bytes, but the file has " +
                                   std::to_string(main_size) + " bytes and the WAL " +
                                   std::to_string(frames_) + " frames");
  }
  std::array<std::byte, format::kDbHeaderSizeBytes> bytes{};
  read_bytes(0, bytes);
  const format::ParsedDbHeader header = format::parse_db_header(bytes);
  if (!header || !header->has_valid_size() || header->size_pages <= size_pages_) return;
  throw Error(Errc::damaged,
              "the database is damaged: its header says " + std::to_string(header->size_pages) +
                  " pages, the last commit in its WAL " + std::to_string(size_pages_));
}

}  // namespace sqlbk
