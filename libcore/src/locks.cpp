#include "sqlbk/core/locks.hpp"

#include "sqlbk/format/wal_index.hpp"

namespace sqlbk {

LockState lock_state(const LiveFiles& files) {
  LockState state;
  const int main_fd = files.fd_of(SourceFile::main);
  const std::string& path = files.main_path();
  state.shared = conflicting_lock(main_fd, kCopySharedByte + 1, kSharedSizeBytes - 1, false, path);
  // Readers only ever take read locks (PENDING for a moment, SHARED); write locks are writers'.
  state.writer = conflicting_lock(main_fd, kPendingByte, 2 + kSharedSizeBytes, true, path);
  state.reserved = conflicting_lock(main_fd, kReservedByte, 1, true, path);
  state.exclusive = conflicting_lock(main_fd, kSharedFirstByte, kSharedSizeBytes, true, path);
  if (!state.shared) state.shared = state.exclusive;
  if (files.has(SourceFile::shm)) {
    state.dms = conflicting_lock(files.fd_of(SourceFile::shm), format::kWalDmsLockByte, 1, false,
                                 files.path_of(SourceFile::shm));
  }
  return state;
}

}  // namespace sqlbk
