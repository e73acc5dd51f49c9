// Follows a live WAL frame by frame, across resets, and keeps each page as the newest followed
// commit has it. Any way in which a frame could have been
// missed fails (docs/consistency.md, "follow"). Private to libcopy.
//
// Thread-safety: start() and look() on one thread at a time; the results after the last look().
// On failure throws Error(source_changed); what was kept is then of no use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kept_pages.hpp"
#include "sqlbk/core/committed_view.hpp"
#include "sqlbk/core/live_files.hpp"
#include "sqlbk/format/wal.hpp"
#include "wal_header_file.hpp"

namespace sqlbk::copy {

class WalFollower {
 public:
  // Called with each megabyte read, at the latest. What it throws ends the attempt.
  using Tick = std::function<void()>;
  static void no_tick() {}

  // REQUIRES: `files` is used by nobody else while this lives.
  WalFollower(LiveFiles& files, std::string pages_path);

  // Reads the header and the whole committed prefix. Throws unsuitable where there is no valid WAL.
  void start(const Tick& tick = no_tick);
  // Reads on to the newest commit, through at most one reset after another.
  void look(const Tick& tick = no_tick);
  // The last look, after main was copied; only if it passes is what was followed one committed
  // state. Also throws frames_without_checksum (bug Z).
  void finish(const Tick& tick = no_tick);

  // The state after the newest followed commit, over a copy of main that was made meanwhile: to be
  // read as long as this lives and does not look again.
  CommittedView over(BorrowedFile main) const;
  // The pages of that view that do not come from main.
  NewerPages newer_pages() const { return kept_->pages(size_pages_); }
  const format::WalHeader& header() const noexcept { return scanner_->header(); }
  const WalHeaderBytes& generation() const noexcept { return header_bytes_; }  // the same, as bytes
  std::uint64_t committed_frames() const noexcept { return scanner_->committed_frames(); }
  // Database size after the newest followed commit; 0: none was followed in any generation.
  std::uint32_t size_pages() const noexcept { return size_pages_; }
  unsigned resets() const noexcept { return resets_; }
  std::uint64_t frames() const noexcept { return frames_; }

 private:
  void follow(const WalHeaderBytes& bytes);
  void read_on(const Tick& tick);
  void put_frame(format::Bytes frame);
  void transaction_followed(const format::WalScanner& after, format::Bytes commit);
  bool index_confirms();
  bool has_live_index();
  bool repeats_last_commit(format::Bytes frame) const;
  bool newest_commit_stands(const Tick& tick) const;
  void replay_long_transaction(format::WalScanner scanner, std::uint64_t last_frame,
                               const Tick& tick);
  bool slot_is_followed_commit() const;
  bool was_read_to_its_end(const WalHeaderBytes& next, const Tick& tick);
  bool has_a_commit(const format::WalHeader& header, const Tick& tick) const;
  bool zero_salts_follow() const;
  std::optional<WalHeaderBytes> header_now();
  std::optional<WalHeaderBytes> stable_header();

  LiveFiles& files_;
  std::string pages_path_;
  std::optional<FileStat> wal_;  // the file that is followed
  std::optional<KeptPages> kept_;
  WalHeaderBytes header_bytes_{};
  std::optional<format::WalScanner> scanner_;  // always at a commit: valid = committed frames
  std::uint64_t valid_frames_ = 0;             // V of the last read, at least the committed frames
  std::vector<std::byte> last_commit_;         // the whole frame K
  // Before the transaction of frame K.
  std::optional<format::WalScanner> before_last_;
  // The wal-index had this commit: nobody overwrites it before the next reset.
  std::uint64_t confirmed_frames_ = 0;
  // The wal-index did not have it yet when it was last asked.
  std::uint64_t denied_frames_ = 0;
  std::vector<std::byte> buffer_;
  std::uint32_t size_pages_ = 0;
  unsigned resets_ = 0;
  std::uint64_t frames_ = 0;
};

}  // namespace sqlbk::copy
