#include "sqlbk/core/wal_contents.hpp"

#include <array>
#include <string>

#include "sqlbk/core/source.hpp"
#include "sqlbk/core/wal_scan.hpp"
#include "wal_frames.hpp"

namespace sqlbk {
namespace {

using format::Bytes;

// Resets met while reading; a WAL that is reset more often is short.
constexpr int kTries = 5;

bool same_generation(const format::ParsedWalHeader& one, const format::ParsedWalHeader& two) {
  return one.issue == two.issue && one->salt == two->salt && one->checksum == two->checksum;
}

// Page 1 of the newest commit.
class NewestHeader {
 public:
  void see(const format::WalFrameHeader& frame, Bytes page) {
    if (frame.page_number == 1) {
      const format::ParsedDbHeader parsed = format::parse_db_header(page);
      open_ = parsed ? std::optional(*parsed) : std::nullopt;
    }
    if (frame.is_commit() && open_) committed_ = open_;
  }
  const std::optional<format::DbHeader>& committed() const noexcept { return committed_; }

 private:
  std::optional<format::DbHeader> open_;
  std::optional<format::DbHeader> committed_;
};

// Whether the frame is the next one of the valid prefix.
bool take(Bytes frame, format::WalScanner& scanner, NewestHeader& newest, WalContents& contents) {
  if (!scanner.accept(frame)) return false;
  const format::WalFrameHeader header = format::parse_wal_frame_header(frame);
  newest.see(header, frame.subspan(format::kWalFrameHeaderSizeBytes));
  if (header.is_commit()) ++contents.commits;
  return true;
}

// The valid prefix, among the first `frames` slots: a writer may append for as long as we read.
void read_prefix(const LiveFiles& files, std::uint64_t frames, WalContents& contents) {
  const std::string path = files.path_of(SourceFile::wal);
  WalFrames slots(files.fd_of(SourceFile::wal), path, contents.header->page_size_bytes);
  format::WalScanner scanner(*contents.header);
  NewestHeader newest;
  while (scanner.valid_frames() < frames) {
    const Bytes frame = slots.next();
    if (frame.empty() || !take(frame, scanner, newest, contents)) break;
  }
  contents.valid_frames = scanner.valid_frames();
  contents.committed_frames = scanner.committed_frames();
  contents.committed_size_pages = scanner.committed_size_pages();
  contents.db_header = newest.committed();
}

void read_rest(const LiveFiles& files, std::uint64_t frames, WalContents& contents) {
  const std::uint32_t page_size = contents.header->page_size_bytes;
  std::array<std::byte, format::kWalFrameHeaderSizeBytes> bytes{};
  for (std::uint64_t frame = contents.valid_frames + 1; frame <= frames; ++frame) {
    const std::uint64_t offset = format::wal_frame_offset(frame, page_size);
    if (files.read(SourceFile::wal, bytes, offset) < bytes.size()) return;
    const format::WalSalt salt = format::parse_wal_frame_header(bytes).salt;
    if (salt.is_zero()) {
      ++contents.zero_salt_frames;
    } else if (salt == contents.header->salt) {
      ++contents.unchained_frames;
      if (frame == contents.valid_frames + 1) contents.has_torn_frame = true;
    } else {
      ++contents.older_frames;
    }
  }
}

WalContents read_once(const LiveFiles& files) {
  WalContents contents;
  contents.header = read_wal_header(files);
  if (!contents.header) return contents;
  const std::uint32_t page_size = contents.header->page_size_bytes;
  const std::uint64_t size = files.stat(SourceFile::wal).size_bytes;
  const std::uint64_t frames = format::wal_frames_in(size, page_size);
  read_prefix(files, frames, contents);
  read_rest(files, frames, contents);
  const std::uint64_t behind = format::wal_frame_offset(contents.valid_frames + 1, page_size);
  contents.zero_salts_follow =
      slot_has_zero_salts(files.fd_of(SourceFile::wal), files.path_of(SourceFile::wal), behind);
  const bool is_cut_off = contents.valid_frames == frames && size > behind;
  contents.has_torn_frame = contents.has_torn_frame || is_cut_off;
  return contents;
}

}  // namespace

WalContents read_wal_contents(LiveFiles& files) {
  for (int i = 1;; ++i) {
    WalContents contents = read_once(files);
    contents.is_settled = files.is_current(SourceFile::wal) &&
                          same_generation(contents.header, read_wal_header(files));
    if (contents.is_settled || i == kTries) return contents;
    files.refresh(SourceFile::wal);
  }
}

}  // namespace sqlbk
