#include "opaque_source.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/format/wal.hpp"

namespace sqlbk::copy {
namespace {

// There are frames of this generation, and none runs on from the header or the frame before it as
// both lie there. The frames of an unfinished transaction do, but for those that were overwritten.
bool no_frame_fits(int wal_fd, const std::string& wal_path, const format::WalHeader& header) {
  const std::uint32_t page_size = header.page_size_bytes;
  std::vector<std::byte> frame(static_cast<std::size_t>(format::wal_frame_size_bytes(page_size)));
  format::WalHeader link = header;  // with the checksum of the frame before
  for (std::uint64_t i = 1;; ++i) {
    const std::size_t got =
        read_up_to(wal_fd, frame, format::wal_frame_offset(i, page_size), wal_path);
    const format::WalFrameHeader frame_header = format::parse_wal_frame_header(frame);
    if (got != frame.size() || frame_header.salt != header.salt) return i > 1;
    if (format::WalScanner(link).accept(frame)) return false;
    link.checksum = frame_header.checksum;
  }
}

}  // namespace

void require_readable_wal(int wal_fd, const std::string& wal_path, const std::string& source) {
  // SQLite takes a file of no more than a header for an empty WAL, whatever it says.
  if (stat_of(wal_fd, wal_path).size_bytes <= format::kWalHeaderSizeBytes) return;
  std::array<std::byte, format::kWalHeaderSizeBytes> bytes{};
  const std::size_t got = read_up_to(wal_fd, bytes, 0, wal_path);
  const format::ParsedWalHeader header = format::parse_wal_header(format::Bytes(bytes).first(got));
  if (header && !no_frame_fits(wal_fd, wal_path, *header)) return;
  throw Error(Errc::frames_without_checksum,
              "unable to prove a copy of " + quoted(source) +
                  " complete: the checksums in its WAL do not fit what lies there; it may be "
                  "encrypted as a whole, or have been summed before it was encrypted")
      .with_path(source)
      .with_hint(
          "open it with the program that owns it and close it again, which leaves no WAL behind");
}

bool may_have_active_journal(const LiveFiles& files) {
  // The magic: zero until the journal is first synced, and when its transaction has ended.
  constexpr std::size_t kMagicSizeBytes = 8;
  std::array<std::byte, kMagicSizeBytes> bytes{};
  const std::size_t got = files.read(SourceFile::journal, bytes, 0);
  const auto is_set = [](std::byte byte) { return byte != std::byte{0}; };
  return std::ranges::any_of(std::span(bytes).first(got), is_set);
}

}  // namespace sqlbk::copy
