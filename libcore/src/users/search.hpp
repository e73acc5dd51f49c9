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
  // By the rows of /proc/locks, for those that hold locks, before any process is looked into.
  bool by_locks = false;
  platform::LockedFile main;  // as the rows number it
  platform::LockedFile shm;
};

struct Search {
  std::vector<platform::WantedFile> wanted;
  std::vector<Process> processes;
  // Locks for open files, which name no process; those of copies by sqlbk are left out.
  unsigned unattributed_shared = 0;
  unsigned unattributed_index = 0;
  bool sees_all_locks = false;  // of this kernel
  bool is_stale = false;        // a process has gone meanwhile
};

// What must be looked for where `seen` is what the locks and files say. `may_wait`: the search is
// made while something else takes longer than /proc/locks may keep it waiting.
SearchOrder order_search(const LiveFiles& files, const Observation& seen, bool may_wait);
Search search(const SearchOrder& order);

}  // namespace sqlbk::users
