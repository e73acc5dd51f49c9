// What the processes of this machine have to do with the files of a source: their descriptors and
// the locks that stand on these. Private to libcore.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "linux/locks.hpp"
#include "sqlbk/core/live_files.hpp"
#include "users/observation.hpp"

namespace sqlbk::platform {

struct WantedFile {
  SourceFile file;
  FileStat stat;
  bool operator==(const WantedFile& other) const noexcept {
    return file == other.file && stat.same_file(other.stat);
  }
};
// Those that `files` has open.
std::vector<WantedFile> wanted_files(const LiveFiles& files);

// One process, or the thread of it that has a descriptor table of its own with main in it; its
// locks as far as its descriptors show them. nullopt: there is no such process.
std::optional<users::Process> process_of(int pid, const std::vector<WantedFile>& wanted);

struct ProcessScan {
  std::vector<WantedFile> wanted;
  std::vector<users::Process> processes;  // that have any of the files open
  std::size_t unseen = 0;                 // that this user may not look into
};
// Takes time in proportion to all descriptors of all processes: about a millisecond for a hundred
// processes. Leaves out tables that threads have for themselves.
ProcessScan scan_processes(const std::vector<WantedFile>& wanted);

// Another copy by sqlbk locks the first of SHARED's bytes alone, for an open file, and reads the
// -shm like a reader.
bool is_lock_of_a_copy(const ProcLock& lock);
bool is_index_lock(const ProcLock& lock);  // of a lock on the -shm
// What a lock on main says of the process that holds it.
void add_main_lock(const ProcLock& lock, users::Process& process);

// Whether scan_processes() would see all, and in how many processes it would look.
bool may_look_into_all_processes();
std::size_t process_count();

// The process-id namespace from which every process and the holder of every POSIX lock is seen.
bool is_in_initial_pid_namespace();

// Whether a process has this number here; it may be out of sight.
bool is_process_alive(int pid) noexcept;

}  // namespace sqlbk::platform
