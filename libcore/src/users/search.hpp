// Looks for all processes that have to do with a database. That takes time, and needs nothing but
// values: it can be done on any thread. Private to libcore.
#pragma once

#include <cstddef>
#include <vector>

#include "linux/locks.hpp"
#include "linux/process_files.hpp"
#include "users/observation.hpp"

namespace sqlbk::users {

struct SearchOrder {
  std::vector<platform::WantedFile> wanted;
  bool has_locks = false;
  platform::LockedFile main;  // as the rows of /proc/locks number it
  platform::LockedFile shm;

  bool operator==(const SearchOrder&) const = default;
};

struct Search {
  SearchOrder order;
  std::vector<Process> processes;
  // Locks for open files, which name no process; those of copies by sqlbk are left out.
  unsigned unattributed_shared = 0;
  unsigned unattributed_index = 0;
  bool sees_all_locks = false;  // of this kernel
  bool is_stale = false;        // a process has gone meanwhile
};

// What must be looked for where `seen` is what the locks and files say.
SearchOrder order_search(const LiveFiles& files, const Observation& seen);
// Looks into all processes; where not all may be looked into, at the rows of /proc/locks as well.
Search search(const SearchOrder& order);

}  // namespace sqlbk::users
