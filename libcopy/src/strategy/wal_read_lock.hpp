// The lock of a reader of the WAL, on the -shm of a live source, as walTryBeginRead() in wal.c
// takes it. Private to libcopy.
//
// While it is held nobody backfills a frame into main that was not committed when it was taken:
// docs/consistency.md, "lock".
#pragma once

#include <cstdint>
#include <optional>

#include "ofd_lock.hpp"
#include "sqlbk/core/run_context.hpp"

namespace sqlbk::copy {

class WalReadLock {
 public:
  // Throws source_busy where checkpointers do not let it in. REQUIRES: `files` has an -shm and
  // outlives this.
  WalReadLock(const LiveFiles& files, RunContext& context);

  // Whether it is attached to the wal-index, as SQLite's connections are, beside somebody else who
  // was before. As long as it is, nobody who comes is the first and rebuilds the index.
  bool is_attached() const noexcept { return attached_.has_value(); }
  // READ_LOCK(0) to READ_LOCK(4).
  unsigned number() const noexcept { return number_; }
  // The -shm on which it stands. One that takes its name is another, and protects another state.
  const FileStat& file() const noexcept { return file_; }

 private:
  void attach(const LiveFiles& files);
  bool try_lock(const LiveFiles& files, unsigned number, std::optional<std::uint32_t> mark);

  std::optional<OfdReadLock> attached_;  // on the DMS byte
  std::optional<OfdReadLock> lock_;
  unsigned number_ = 0;
  FileStat file_;
};

}  // namespace sqlbk::copy
