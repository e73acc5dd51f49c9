#include "opaque_source.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/format/journal.hpp"
#include "sqlbk/format/wal.hpp"

namespace sqlbk::copy {
namespace {

// Frame 1 has the header's salts and is not valid: written in this generation, by its salts.
bool has_an_unreadable_first_frame(int wal_fd, const std::string& wal_path,
                                   const format::WalHeader& header) {
  std::vector<std::byte> frame(
      static_cast<std::size_t>(format::wal_frame_size_bytes(header.page_size_bytes)));
  const std::uint64_t offset = format::wal_frame_offset(1, header.page_size_bytes);
  if (read_up_to(wal_fd, frame, offset, wal_path) != frame.size()) return false;
  const format::WalFrameHeader first = format::parse_wal_frame_header(frame);
  return first.salt == header.salt && !format::WalScanner(header).accept(frame);
}

}  // namespace

void require_readable_wal(int wal_fd, const std::string& wal_path, const std::string& source) {
  // SQLite takes a file of no more than a header for an empty WAL, whatever it says.
  if (stat_of(wal_fd, wal_path).size_bytes <= format::kWalHeaderSizeBytes) return;
  std::array<std::byte, format::kWalHeaderSizeBytes> bytes{};
  const std::size_t got = read_up_to(wal_fd, bytes, 0, wal_path);
  const format::ParsedWalHeader header = format::parse_wal_header(format::Bytes(bytes).first(got));
  if (header && !has_an_unreadable_first_frame(wal_fd, wal_path, *header)) return;
  throw Error(Errc::frames_without_checksum,
              "unable to prove a copy of " + quoted(source) +
                  " complete: the checksums in its WAL do not fit what lies there; it may be "
                  "encrypted as a whole, or have been summed before it was encrypted")
      .with_path(source)
      .with_hint("close the program that owns it, which then leaves no WAL behind");
}

bool may_have_active_journal(const LiveFiles& files) {
  std::array<std::byte, format::kJournalHeaderSizeBytes> bytes{};
  const std::size_t got = files.read(SourceFile::journal, bytes, 0);
  const auto is_set = [](std::byte byte) { return byte != std::byte{0}; };
  return std::ranges::any_of(std::span(bytes).first(got), is_set);
}

}  // namespace sqlbk::copy
