// A private directory beside the destination, and what dead runs left there. Private to libcore.
#pragma once

#include <string>

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

 private:
  std::string path_;
  UniqueFd fd_;
};

// Where --force put the old sidecars of DEST, until DEST is replaced: the file of this name in the
// staging directory says whose they are, for the run that finds it after a crash.
inline constexpr const char* kReplaceNoteName = "replaced-sidecars";

// Removes the staging directories of dead runs in `parent`; puts back sidecars that a dead
// --force run had taken away without replacing the main file. What cannot be removed is left.
void clean_dead_staging_directories(const std::string& parent) noexcept;

}  // namespace sqlbk
