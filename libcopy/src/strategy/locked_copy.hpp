// Copying main and WAL while a read lock of ours holds the state: the same whether SQLite took the
// lock (snapshot) or we did (lock). docs/consistency.md has the argument. Private to libcopy.
#pragma once

#include <optional>

#include "../mover/mover.hpp"
#include "source_mover.hpp"
#include "sqlbk/core/copy_options.hpp"
#include "sqlbk/core/evidence.hpp"
#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/source.hpp"
#include "sqlbk/core/staged_image.hpp"

namespace sqlbk::copy {

class LockedCopy {
 public:
  // REQUIRES: the references outlive it.
  LockedCopy(LiveFiles& files, StagedImage& image, const MoverLadder& movers,
             const CopyOptions& options, RunContext& context)
      : files_(files),
        image_(image),
        options_(options),
        context_(context),
        mover_(files, image, movers) {}

  // REQUIRES: SHARED on main and a read lock of the WAL's in the file `shm`, taken before the call.
  // `attached`: we are (a connection, or WalReadLock), beside somebody or as a connection, so that
  // the wal-index stays the same one; else it must not come to life meanwhile. Throws
  // source_changed where the attempt proves nothing.
  Evidence copy_wal_mode(bool attached, const FileStat& shm);
  // `facts`: of a moment under that SHARED. REQUIRES: SHARED on main, taken before the call.
  Evidence copy_rollback_mode(const SourceFacts& facts);

 private:
  struct WalStart;
  void require_same_shm(const FileStat& shm) const;
  WalStart read_wal_start(bool attached);
  static std::uint64_t wal_bytes_that_count(const WalStart& start);
  void take_wal(const WalStart& start, Evidence& evidence);
  WalPosition take_main_alone(const WalStart& start, const FileStat& main_before);

  LiveFiles& files_;
  StagedImage& image_;
  const CopyOptions& options_;
  RunContext& context_;
  SourceMover mover_;
};

}  // namespace sqlbk::copy
