// The copy while it is made: main and, where needed, `-wal` and `-journal`, in a private directory.
// For authors of strategies and post-steps. Thread-safety: one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sqlbk/core/page_map.hpp"
#include "sqlbk/core/unique_fd.hpp"
#include "sqlbk/format/wal.hpp"

namespace sqlbk {

// The last frame of each page among frames 1..frames of a WAL, for pages within the size of the
// database.
struct LastFrames {
  std::uint64_t frames = 0;
  PageMap map;
};

// The part of a WAL that counts: frames 1..frames, the last of them a commit.
struct WalPrefix {
  format::WalHeader header;
  std::uint64_t frames = 0;
  std::uint32_t size_pages = 0;  // database size after them; 0 where frames is 0
  // Frames of this prefix have no checksums and only the wal-index vouches for them (bug Z): such
  // an image can only be delivered folded.
  bool vouched_by_index = false;
  // What the scan has noted on its way, to save another; of no use where it is of another number of
  // frames.
  LastFrames last_frames = {};
};

// SHA-256 of the image's files, in hexadecimal.
struct ImageDigest {
  std::string main;
  std::string wal;  // "": the image has none
};

class StagedImage {
 public:
  // `directory` is private to this run; the caller removes it.
  explicit StagedImage(std::string directory);

  const std::string& directory() const noexcept { return directory_; }
  const std::string& main_path() const noexcept { return main_path_; }
  std::string wal_path() const { return main_path_ + "-wal"; }
  std::string journal_path() const { return main_path_ + "-journal"; }

  // Descriptors for reading and writing; the files are made at the first call.
  int main_fd();
  int wal_fd();
  int journal_fd();
  bool has_wal() const noexcept { return static_cast<bool>(wal_); }
  bool has_journal() const noexcept { return static_cast<bool>(journal_); }

  // Throws no_space where the file system of the directory cannot take so much more.
  void require_space(std::uint64_t size_bytes) const;

  // Removes what an attempt has left, so that the next one starts from nothing.
  void discard();
  void discard_wal();
  // As discard(), but main stays, for a round that writes only what differs.
  void discard_all_but_main();
  // Closes the descriptors (before SQLite opens the files). main_fd() opens main anew.
  void close_files();

  // Filled in by the strategy. Where the image has a WAL file, `wal_prefix` says what of it counts.
  std::optional<WalPrefix> wal_prefix;
  // main alone is the state, already cut to its size.
  bool folded = false;
  // Filled in by a step that says takes_digest.
  std::optional<ImageDigest> digest;

 private:
  int open_file(UniqueFd& fd, const std::string& path) const;

  std::string directory_;
  std::string main_path_;
  UniqueFd main_;
  UniqueFd wal_;
  UniqueFd journal_;
};

}  // namespace sqlbk
