#include "wal_part.hpp"

#include <array>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/format/db_header.hpp"

namespace sqlbk::copy {

std::string writer_version(int main_fd, const std::string& path) {
  std::array<std::byte, format::kDbHeaderSizeBytes> bytes{};
  const std::size_t got = read_up_to(main_fd, bytes, 0, path);
  const format::ParsedDbHeader header = format::parse_db_header(format::Bytes(bytes).first(got));
  if (!header || header->sqlite_version == 0) return "";
  const std::uint32_t number = header->sqlite_version;
  return " (last changed by SQLite " + std::to_string(number / 1'000'000) + "." +
         std::to_string(number / 1000 % 1000) + "." + std::to_string(number % 1000) + ")";
}

WalPosition position_of(const WalScan& scan, const LiveIndex& index) {
  WalPosition position;
  if (!scan.header) return position;
  position.salt = scan.header->salt;
  position.frames = scan.committed.frames;
  position.valid_frames = scan.valid_frames;
  if (index) position.index_frames = index->mx_frame;
  return position;
}

void require_wal_of_index(const format::ParsedWalHeader& header, const LiveIndex& index,
                          const std::string& source) {
  if (!index || index->mx_frame <= index->backfilled_frames) return;
  if (header && header->salt == index->salt) return;
  throw Error(Errc::source_changed,
              "the source " + quoted(source) +
                  " changed while it was copied: its -wal is not the one of its wal-index")
      .with_path(source);
}

void require_checksums(const WalScan& scan, const LiveIndex& index, int main_fd,
                       const std::string& main_path, const std::string& source) {
  const bool index_counts = index && index->salt == scan.header->salt;
  // Also with an index: one that was rebuilt since main was begun has lost them, main may have
  // them.
  const bool index_has_more = index_counts && scan.committed.frames < index->mx_frame;
  if (!scan.zero_salts_follow && !index_has_more) return;
  throw Error(Errc::frames_without_checksum,
              "unable to prove a copy of " + quoted(source) + writer_version(main_fd, main_path) +
                  " complete: behind frame " + std::to_string(scan.valid_frames) +
                  " its WAL has frames without checksums, as SQLite before 3.50 may commit them")
      .with_path(source);
}

WalPosition judge_wal(StagedImage& image, const WalScan& scan, const LiveIndex& index,
                      const std::string& source) {
  require_wal_of_index(scan.header, index, source);
  if (!scan.header) {
    image.discard_wal();
    return {};
  }
  require_checksums(scan, index, image.main_fd(), image.main_path(), source);
  image.wal_prefix = scan.committed;
  return position_of(scan, index);
}

}  // namespace sqlbk::copy
