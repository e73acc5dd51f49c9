// A WAL that is beside another name of the database. Private to libcopy.
#pragma once

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/source.hpp"

namespace sqlbk::copy {

// A WAL connection always has a -wal file, and, but for one that lets nobody in, the DMS lock in
// the -shm beside it. Where a database in WAL mode is open and these are not beside this name, they
// are beside another one (a hard link, a file that was moved or whose sidecars were removed while
// open), with commits that we cannot see; what lies here is nobody's. Throws source_busy then:
// whoever has just come is attached when it is tried again.
inline void refuse_unseen_wal(LiveFiles& files, const format::ParsedDbHeader& header) {
  files.refresh(SourceFile::shm);
  const LockState locks = lock_state(files);
  const std::optional<FileStat> wal = files.stat_by_path(SourceFile::wal);
  // What an encrypted header says cannot be known; a WAL, or an index in use, says it as well.
  const bool is_wal_mode =
      header ? header->says_wal() || (wal && wal->size_bytes > 0) : locks.dms || wal.has_value();
  const bool is_open = locks.shared || locks.dms;
  const bool is_beside = wal && (locks.dms || locks.exclusive);
  if (!is_wal_mode || !is_open || is_beside) return;
  throw Error(
      Errc::source_busy,
      "unable to prove a copy of " + quoted(files.given_path()) +
          " complete: it is in WAL mode and somebody has it open, but not with the -wal and -shm "
          "files beside it")
      .with_path(files.given_path())
      .with_hint("copy it under the name by which its owner has opened it");
}

}  // namespace sqlbk::copy
