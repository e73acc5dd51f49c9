// Every lock on a source under the name that SQLite gives it, with its holder: what list_locks()
// and lock_state() know, for people. Thread-safety: pure system calls.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sqlbk/core/live_files.hpp"

namespace sqlbk {

// Names (os_unix.c; walformat.html, section 2.3): in main PENDING, RESERVED, SHARED, and EXCLUSIVE
// for a write lock on SHARED's bytes; in the -shm WAL_WRITE, WAL_CKPT, WAL_RECOVER, WAL_READ0 to
// WAL_READ4, DMS.
struct NamedLock {
  SourceFile file = SourceFile::main;
  std::string_view name;
  bool is_write = false;
  int pid = -1;         // -1: not told, as in LockHolder
  std::string program;  // empty if it cannot be told
};

// By file and byte, then by process. A lock whose holder /proc/locks does not show (another pid
// namespace) is there, too, with one of its holders.
std::vector<NamedLock> list_named_locks(const LiveFiles& files);

}  // namespace sqlbk
