// A WAL that is beside another name of the database. Private to libcopy.
#pragma once

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/source.hpp"

namespace sqlbk::copy {

// A WAL connection always has a -wal file. Where a database in WAL mode is open and there is none
// beside this name, it is beside another one (a hard link, a file that was moved or whose -wal was
// removed while open), with commits that we cannot see. Throws source_busy then.
inline void refuse_unseen_wal(const LiveFiles& files, const format::ParsedDbHeader& header) {
  if (files.stat_by_path(SourceFile::wal)) return;
  const LockState locks = lock_state(files);
  // What an encrypted header says cannot be known; a wal-index in use says it as well.
  const bool is_open =
      header ? header->says_wal() && (locks.shared || locks.dms) : locks.dms.has_value();
  if (!is_open) return;
  throw Error(
      Errc::source_busy,
      "unable to prove a copy of " + quoted(files.given_path()) +
          " complete: it is in WAL mode and somebody has it open, but there is no -wal file "
          "beside it")
      .with_path(files.given_path())
      .with_hint("copy it under the name by which its owner has opened it");
}

}  // namespace sqlbk::copy
