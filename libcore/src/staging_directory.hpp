// A private directory beside the destination, and what dead runs left there. Private to libcore.
#pragma once

#include <optional>
#include <string>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/unique_fd.hpp"

namespace sqlbk {

// Mode 0700, a name nobody can guess, locked by flock(2) as long as the object lives: that is how
// another run tells it from a dead run's. The destructor removes it with everything in it.
class StagingDirectory {
 public:
  // Throws destination_unusable where `parent` is missing or cannot be written.
  explicit StagingDirectory(const std::string& parent);
  StagingDirectory(StagingDirectory&&) noexcept = default;
  StagingDirectory& operator=(StagingDirectory&&) = delete;
  ~StagingDirectory();

  const std::string& path() const noexcept { return path_; }
  int fd() const noexcept { return fd_.get(); }
  // The destructor only unlocks it: a later run takes it for a dead run's.
  void keep() noexcept { is_kept_ = true; }

 private:
  bool is_kept_ = false;
  std::string path_;
  UniqueFd fd_;
};

// What the constructor throws where mkdir(2) fails in `parent`.
Error staging_error(const std::string& parent, int os_errno);

// Until DEST stands, the file of this name in the staging directory says whose sidecars --force has
// put beside it, and which -wal has been published already, for the run that finds it after a
// crash.
inline constexpr const char* kReplaceNoteName = "replaced-sidecars";

struct ReplaceNote {
  std::string destination;
  std::optional<FileStat> old_main;  // DEST as it was; nullopt: there was none
  FileStat new_main;                 // the copy, still under its private name
  std::optional<FileStat> new_wal;
  std::optional<FileStat> new_digest;
};
std::string to_text(const ReplaceNote& note);

// Syncs the entries of the directory.
void sync_directory(const std::string& path);

// move_to_free_name() (free_name.hpp). False: it has failed.
bool try_move_to_free_name(const std::string& from, const std::string& to) noexcept;

// Removes the staging directories of dead runs in `parent`, but not one that holds `source_path`.
// Sidecars that a dead --force run had taken away are put back if DEST is exactly as it was then
// and nobody uses it, and a new -wal or .sha256 that came without its main is removed. If DEST is
// neither that nor the copy of that run, nothing is touched and the directory is kept: it may hold
// the only copy of the sidecars. What cannot be removed is left.
void clean_dead_staging_directories(const std::string& parent,
                                    const std::string& source_path) noexcept;

}  // namespace sqlbk
