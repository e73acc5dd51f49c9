// The wal-index of a live source at one moment: how far it is committed, and how far checkpoints
// have come. read_live_wal_index() gives no such moment: a reset or a commit may come between the
// two parts of what it reads.
// Thread-safety: as LiveFiles. On failure throws Error.
#pragma once

#include <optional>

#include "sqlbk/core/live_files.hpp"
#include "sqlbk/format/wal_index.hpp"

namespace sqlbk {

struct SteadyWalIndex {
  // A program is attached to the wal-index, before and after it was read. Where none is, its
  // content means nothing.
  bool is_live = false;
  // nBackfill and nBackfillAttempted, read while the commit stayed the same, all 48 bytes of it.
  // nullopt: not live, or commits, or a recovery, left no such moment.
  std::optional<format::WalIndexHeader> index;
};

// `is_held`: a lock of the caller's on DMS keeps the wal-index as it is, whether or not another
// program is attached.
SteadyWalIndex read_steady_wal_index(const LiveFiles& files, bool is_held = false);

// A checkpoint is writing, or about to write, to main: it holds READ_LOCK(0) exclusively
// (walCheckpoint() in wal.c).
bool is_being_backfilled(const LiveFiles& files);

}  // namespace sqlbk
