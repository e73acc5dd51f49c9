#include "unseen_wal.hpp"

#include <algorithm>
#include <vector>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/locks.hpp"
#include "sqlbk/core/open_files.hpp"

namespace sqlbk::copy {
namespace {

bool is_of_a_reader(const LockRow& row) {
  return row.file == SourceFile::main && row.first_byte < kSharedFirstByte + kSharedSizeBytes &&
         row.last_byte > kCopySharedByte;
}

// A reader who may not write the -shm takes no DMS lock (walBeginShmUnreliable() in wal.c). Whether
// all who hold SHARED have these sidecars open; false where that cannot be seen.
bool all_readers_use_these(const LiveFiles& files) {
  const std::vector<FileUser> users = list_open_files(files).users;
  bool any = false;
  for (const LockRow& row : list_locks(files)) {
    if (!is_of_a_reader(row)) continue;
    any = true;
    const auto user = std::ranges::find(users, row.holder.pid, &FileUser::pid);
    if (user == users.end()) return false;
    if (std::ranges::count(user->files, SourceFile::wal) == 0 &&
        std::ranges::count(user->files, SourceFile::shm) == 0) {
      return false;
    }
  }
  return any;
}

// An owner in EXCLUSIVE locking mode has its -wal open, as everybody in WAL mode. True also where
// it cannot be seen what it has open.
bool exclusive_owner_may_use_this(const LiveFiles& files, const LockHolder& owner) {
  if (owner.pid <= 0 || !files.is_current(SourceFile::wal)) return true;
  const auto open = files_open_in(owner.pid, files);
  if (!open || std::ranges::count(*open, SourceFile::main) == 0) return true;
  return std::ranges::count(*open, SourceFile::wal) != 0;
}

}  // namespace

void refuse_unseen_wal(LiveFiles& files, const format::ParsedDbHeader& header) {
  files.refresh(SourceFile::shm);
  const LockState locks = lock_state(files);
  const std::optional<FileStat> wal = files.stat_by_path(SourceFile::wal);
  const bool holds_something = wal && wal->size_bytes > 0;
  // What an encrypted header says cannot be known; a WAL, or an index in use, says it as well.
  const bool is_wal_mode =
      (header && header->says_wal()) || (!header && locks.dms) || holds_something;
  const bool is_open = locks.shared || locks.dms;
  if (!is_wal_mode || !is_open || (wal && locks.dms)) return;
  if (wal && locks.exclusive && exclusive_owner_may_use_this(files, *locks.exclusive)) return;
  if (wal && files.is_current(SourceFile::wal) && all_readers_use_these(files)) return;
  throw Error(
      Errc::source_busy,
      "unable to prove a copy of " + quoted(files.given_path()) +
          " complete: it is in WAL mode and somebody has it open, but not with the -wal and -shm "
          "files beside it")
      .with_path(files.given_path())
      .with_hint("copy it under the name by which its owner has opened it");
}

}  // namespace sqlbk::copy
