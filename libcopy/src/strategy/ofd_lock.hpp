// SQLite's read locks taken as Linux open-file-description locks on read-only descriptors: they
// conflict with SQLite's own, need no connection, and no close() of another descriptor drops them
// (fcntl(2), F_OFD_SETLK). Private to libcopy.
#pragma once

#include <cstdint>

#include "sqlbk/core/live_files.hpp"

namespace sqlbk::copy {

// A read lock on a range of one of the source's files; released by the destructor.
class OfdReadLock {
 public:
  // Throws source_busy where a writer's lock is in the way. REQUIRES: `files` outlives it.
  OfdReadLock(const LiveFiles& files, SourceFile file, std::uint64_t first_byte,
              std::uint64_t length_bytes);
  OfdReadLock(const OfdReadLock&) = delete;
  OfdReadLock& operator=(const OfdReadLock&) = delete;
  ~OfdReadLock();

 private:
  int fd_;
  std::uint64_t first_byte_;
  std::uint64_t length_bytes_;
};

// Lets go of all locks that rest on this descriptor. From any thread: the objects that took them
// find nothing left to do.
void unlock_whole_file(int fd) noexcept;

// SHARED on the main file, as SQLite's readers take it: PENDING for a moment, then the range. As
// long as it is held no connection can close as the last one, so that the -wal and -shm stay where
// they are (sqlite3WalClose() needs EXCLUSIVE on the main file).
class SharedLock {
 public:
  explicit SharedLock(const LiveFiles& files);

 private:
  OfdReadLock range_;
};

}  // namespace sqlbk::copy
