// SHARED on the main file as an open-file-description lock, which no close() can drop. As long as
// it is held no connection can close as the last one: the -wal and -shm stay where they are
// (sqlite3WalClose() needs EXCLUSIVE on the main file). Private to libcopy.
#pragma once

#include "sqlbk/core/live_files.hpp"

namespace sqlbk::copy {

class SharedGuard {
 public:
  // Takes PENDING for a moment, then SHARED, as SQLite's readers do. Throws source_busy where a
  // writer is in the way.
  explicit SharedGuard(const LiveFiles& files);
  SharedGuard(const SharedGuard&) = delete;
  SharedGuard& operator=(const SharedGuard&) = delete;
  ~SharedGuard();

 private:
  int fd_;
};

}  // namespace sqlbk::copy
