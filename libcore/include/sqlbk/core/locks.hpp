// Who holds SQLite's locks on the files of a source, asked without taking any: F_OFD_GETLK on a
// read-only descriptor costs nothing and changes nothing (fcntl(2)). Lock bytes: os_unix.c,
// walformat.html section 2.3. Thread-safety: pure system calls.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sqlbk/core/live_files.hpp"

namespace sqlbk {

inline constexpr std::uint64_t kPendingByte = 0x40000000;
inline constexpr std::uint64_t kReservedByte = kPendingByte + 1;
inline constexpr std::uint64_t kSharedFirstByte = kPendingByte + 2;
inline constexpr std::uint64_t kSharedSizeBytes = 510;
// SQLite locks all of the SHARED range. sqlbk's own readers' lock stands on its first byte alone,
// which keeps EXCLUSIVE out as well: whoever is found on the others is not another copy.
inline constexpr std::uint64_t kCopySharedByte = kSharedFirstByte;

struct LockHolder {
  int pid = -1;  // -1: not told (an open file description lock, or another pid namespace)
  bool is_write = false;
};

// A lock on [start, start + length) that would keep a write lock (or, with `writers_only`, a read
// lock) of ours out. Locks of this process count too.
std::optional<LockHolder> conflicting_lock(int fd, std::uint64_t start_byte,
                                           std::uint64_t length_bytes, bool writers_only,
                                           const std::string& path);

// SQLite's locks on a source, as they are at one moment.
struct LockState {
  // A reader, or any WAL connection; not another copy by sqlbk.
  std::optional<LockHolder> shared;
  std::optional<LockHolder> writer;  // RESERVED, PENDING by a writer, or EXCLUSIVE
  std::optional<LockHolder> reserved;
  std::optional<LockHolder> exclusive;
  std::optional<LockHolder> dms;  // a live WAL connection with a wal-index
  bool any() const noexcept { return shared || writer || dms; }
};
LockState lock_state(const LiveFiles& files);

// A row of /proc/locks that concerns a file of the source; for reports, not for decisions: what
// other namespaces hold is not seen there, and some file systems give other device numbers.
struct LockRow {
  SourceFile file = SourceFile::main;
  LockHolder holder;
  std::string program;  // /proc/PID/comm, if it can be read
  std::uint64_t first_byte = 0;
  std::uint64_t last_byte = 0;
};
std::vector<LockRow> list_locks(const LiveFiles& files);

}  // namespace sqlbk
