// Copying main and WAL while a read lock of ours holds the state: the same whether SQLite took the
// lock (snapshot) or we did (lock). docs/consistency.md has the argument. Private to libcopy.
#pragma once

#include <optional>

#include "../mover/mover.hpp"
#include "source_mover.hpp"
#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/report.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/source.hpp"
#include "sqlbk/core/staged_target.hpp"

namespace sqlbk::copy {

class LockedCopy {
 public:
  LockedCopy(LiveFiles& files, StagedTarget& target, const MoverLadder& movers, RunContext& context,
             Report& report)
      : files_(files),
        target_(target),
        context_(context),
        report_(report),
        mover_(files, target, movers, context, report) {}

  // REQUIRES: SHARED on main and a read lock of the WAL's in the file `shm`, taken before the call.
  // `attached`: we are (a connection, or WalReadLock), beside somebody or as a connection, so that
  // the wal-index stays the same one; else it must not come to life meanwhile. Throws
  // source_changed where the attempt proves nothing.
  void copy_wal_mode(bool attached, const FileStat& shm);
  // `facts`: of a moment under that SHARED. REQUIRES: SHARED on main, taken before the call.
  void copy_rollback_mode(const SourceFacts& facts);

  const std::string& mover_used() const noexcept { return mover_.mover_used(); }

 private:
  struct WalStart;
  void require_same_shm(const FileStat& shm) const;
  WalStart read_wal_start(bool attached);
  static std::uint64_t wal_bytes_that_count(const WalStart& start);
  void take_wal(const WalStart& start);
  void take_main_alone(const WalStart& start, const FileStat& main_before);

  LiveFiles& files_;
  StagedTarget& target_;
  RunContext& context_;
  Report& report_;
  SourceMover mover_;
};

}  // namespace sqlbk::copy
