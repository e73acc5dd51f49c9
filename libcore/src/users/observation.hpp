// What one poll has seen of the programs that use a database. Plain values: how they were seen is
// in observe.cpp, what they mean in judgement.cpp. Private to libcore.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sqlbk/core/locks.hpp"
#include "sqlbk/core/unseen_locks.hpp"

namespace sqlbk::users {

// How connections that open the database now would use it.
enum class Mode {
  rollback,
  wal,
  unknown,  // the header cannot be read: encrypted
};

// A process, as far as it has to do with the database.
struct Process {
  int pid = -1;
  std::string program;
  bool is_visible = false;  // its descriptors can be listed; else only its locks are known
  // Locks. On main: SHARED or more; the bytes that only writers lock; all of SHARED's for writing.
  bool holds_shared = false;
  bool holds_writer = false;
  bool holds_exclusive = false;
  bool holds_index = false;         // any on the -shm
  bool locks_by_open_file = false;  // SHARED or more as an open-file-description lock
  // Open files.
  bool has_main = false;
  bool has_wal = false;
  bool has_shm = false;
  bool has_journal = false;
  bool writes_main = false;  // open for writing
  bool writes_wal = false;
  bool writes_journal = false;
  bool serves_files = false;  // the device of a FUSE file system
  // Exclusive locks by flock(2) on main that stand on its descriptors, by the process that took
  // them: descriptors are inherited, and the locks with them.
  std::vector<int> flocks;
  // Sidecars of this main file that it has open and that are not those beside it, by name.
  std::vector<std::string> other_sidecars;
  // Sidecars of a name that it has nothing open of: a main file that was renamed since.
  std::vector<std::string> stray_sidecars;
};

// A file, as an owner without kernel locks makes one while it writes.
struct LockFile {
  std::string path;
  std::optional<int> pid;  // that it names
  bool is_alive = false;   // that process
};

struct Observation {
  std::string main_path;
  Mode mode = Mode::rollback;
  std::uint64_t names = 1;  // hard links of main
  bool has_wal = false;
  bool wal_holds_something = false;
  bool has_journal = false;
  bool journal_is_active = false;
  // One holder of each, as fcntl(2) tells it; locks of copies by sqlbk are left out.
  std::optional<LockHolder> shared;
  std::optional<LockHolder> writer;
  std::optional<LockHolder> exclusive;
  std::optional<LockHolder> index;
  std::optional<LockFile> lock_file;
  UnseenLocks unseen;  // of which lock_file says more

  std::vector<Process> processes;
  // Locks of main and of the -shm that no process could be named for.
  unsigned unattributed_shared = 0;
  unsigned unattributed_index = 0;
  bool sees_all_locks = false;  // what is not in `processes` or counted above is not there
  bool is_initial_namespace = false;
  bool is_stale = false;  // a process has gone while it was looked at: look again

  // To be compared with a later observation.
  std::array<std::optional<FileStat>, kSourceFiles.size()> files;
  bool tells_writes_to_main = false;  // one from then on changes its time stamps
  bool has_searched = false;          // all processes, or all locks, for those of this source
};

// No lock tells what uses the files.
inline bool is_unlocked(const Observation& seen) {
  return !seen.shared && !seen.writer && !seen.exclusive && !seen.index;
}

// One holder of SHARED does not speak for the others.
inline bool needs_all_holders(const Observation& seen) {
  return seen.mode != Mode::rollback && seen.shared && !seen.exclusive;
}

}  // namespace sqlbk::users
