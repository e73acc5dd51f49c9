// Laying the committed prefix of a WAL over the main file, as SQLite's own checkpoint does
// (walCheckpoint() in wal.c): the result is byte for byte the same. Works on staged files only.
// For authors of strategies. Thread-safety: one thread at a time. On failure throws Error.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/staged_image.hpp"
#include "sqlbk/format/wal.hpp"

namespace sqlbk {

class CksumvfsPages;

// How far the checksum chain of a WAL reaches.
struct WalScan {
  format::ParsedWalHeader header;
  WalPrefix committed;             // up to the last commit frame, K
  std::uint64_t valid_frames = 0;  // V: may lie behind K
  // The slot behind V begins with a frame header whose salts are 0,0, wholly or partly there: a
  // frame that SQLite before 3.50 may have committed without a checksum (bug Z).
  bool zero_salts_follow = false;
};

// Reads `wal_fd` from its start. An invalid header gives no frames, as in SQLite.
WalScan scan_wal(int wal_fd, const std::string& path, RunContext& context);

// Whether the frame header at `offset` carries the salts 0,0, as far as it is there.
bool slot_has_zero_salts(int wal_fd, const std::string& path, std::uint64_t offset);

// The prefix of exactly `frames` frames that the wal-index vouches for: checksums are not looked
// at, but frame `frames` must be there and be a commit, with `size_pages` (bug Z).
WalPrefix prefix_vouched_by_index(int wal_fd, const std::string& path,
                                  const format::WalHeader& header, std::uint64_t frames,
                                  std::uint32_t size_pages);

// Writes the frames of `prefix` from `wal_fd` into `main_fd` and sets its size to exactly
// prefix.size_pages pages. Where prefix.frames is 0, cuts main to its own size instead.
void fold_wal(int wal_fd, const std::string& wal_path, const WalPrefix& prefix, int main_fd,
              const std::string& main_path, RunContext& context);

// Throws damaged where a commit says more pages than a main file of this size and so many frames
// can have made (walCheckpoint() in wal.c).
void require_possible_size(std::uint64_t main_size_bytes, const WalPrefix& prefix);

// Lays pages over a main file one by one, as fold_wal() does with frames: for strategies that
// gather the newest pages in another way. Thread-safety: one thread at a time.
class PageLayer {
 public:
  PageLayer(int main_fd, const std::string& path, std::uint32_t page_size_bytes);
  ~PageLayer();
  PageLayer(const PageLayer&) = delete;
  PageLayer& operator=(const PageLayer&) = delete;

  // `page` may be changed: a page checksum of the cksumvfs extension is made anew.
  void put(std::uint32_t page_number, std::span<std::byte> page);
  // Sets the size of main to exactly so many pages; throws damaged where its header cannot be
  // right.
  void finish(std::uint32_t size_pages);

 private:
  int main_fd_;
  const std::string& path_;
  std::uint32_t page_size_bytes_;
  std::unique_ptr<const CksumvfsPages> checksums_;
};

// Cuts main to the size that its header states, where that counts (lockBtree() in btree.c), else
// to whole pages. Throws damaged where the file is shorter than its header says.
void cut_to_header_size(int main_fd, const std::string& path);

// Sets bytes 18 and 19 of a folded main: 1 rollback journal, 2 WAL. No checksum covers them.
void set_header_mode(int main_fd, const std::string& path, bool wal);

}  // namespace sqlbk
