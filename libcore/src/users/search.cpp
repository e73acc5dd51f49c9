#include "users/search.hpp"

#include <algorithm>
#include <iterator>
#include <unistd.h>
#include <utility>

namespace sqlbk::users {
namespace {

// A program may lock main by flock(2) for the time of the copy, and its descriptor be inherited by
// this one, as from flock(1).
void forget_own_flocks(std::vector<Process>& processes) {
  const auto self = std::ranges::find(processes, ::getpid(), &Process::pid);
  if (self == processes.end()) return;
  const std::vector<int> own = self->flocks;
  for (Process& process : processes) {
    std::erase_if(process.flocks,
                  [&](int pid) { return std::ranges::find(own, pid) != own.end(); });
  }
}

// False: some may not be looked into.
bool look_into_processes(const SearchOrder& order, Search& found) {
  platform::ProcessScan scan = platform::scan_processes(order.wanted);
  found.processes = std::move(scan.processes);
  forget_own_flocks(found.processes);
  found.unattributed_shared = 0;
  found.unattributed_index = 0;
  found.sees_all_locks = scan.unseen == 0 && platform::is_in_initial_pid_namespace() &&
                         platform::may_look_into_all_processes();
  return scan.unseen == 0;
}

// The kernel may leave rows out while others lock and unlock, so they are read twice; what is there
// once was there.
std::vector<platform::ProcLock> read_rows() {
  std::vector<platform::ProcLock> rows = platform::read_proc_locks();
  for (const platform::ProcLock& row : platform::read_proc_locks()) {
    if (std::ranges::find(rows, row) == rows.end()) rows.push_back(row);
  }
  return rows;
}

class Holders {
 public:
  explicit Holders(const SearchOrder& order) : order_(order) {}

  Search find() {
    const std::vector<platform::ProcLock> rows = read_rows();
    for (const platform::ProcLock& row : rows) {
      if (row.file == order_.main) add_main_row(row);
    }
    for (const platform::ProcLock& row : rows) {
      if (row.file == order_.shm && platform::is_index_lock(row)) add_index_row(row);
    }
    found_.sees_all_locks = platform::is_in_initial_pid_namespace();
    return std::move(found_);
  }

 private:
  // nullptr: it is gone.
  Process* process_of(int pid) {
    const auto known = std::ranges::find(found_.processes, pid, &Process::pid);
    if (known != found_.processes.end()) return &*known;
    std::optional<Process> process = platform::process_of(pid, order_.wanted);
    if (!process) {
      found_.is_stale = true;
      return nullptr;
    }
    return &found_.processes.emplace_back(*std::move(process));
  }

  void add_main_row(const platform::ProcLock& row) {
    if (platform::is_lock_of_a_copy(row)) {
      is_copied_ = true;
    } else if (row.is_posix) {
      if (Process* process = process_of(row.pid)) platform::add_main_lock(row, *process);
    } else {
      Process of_none;
      platform::add_main_lock(row, of_none);
      if (of_none.holds_shared) ++found_.unattributed_shared;
    }
  }

  void add_index_row(const platform::ProcLock& row) {
    if (row.is_posix) {
      if (Process* process = process_of(row.pid)) process->holds_index = true;
    } else if (!is_copied_ || found_.unattributed_shared > 0) {
      ++found_.unattributed_index;
    }
  }

  const SearchOrder& order_;
  Search found_;
  bool is_copied_ = false;
};

// A process in both: its descriptors are those of the search, its locks those of both.
void add_holder(const Process& holder, std::vector<Process>& processes) {
  const auto known = std::ranges::find(processes, holder.pid, &Process::pid);
  if (known == processes.end()) {
    processes.push_back(holder);
    return;
  }
  known->holds_shared = known->holds_shared || holder.holds_shared;
  known->holds_writer = known->holds_writer || holder.holds_writer;
  known->holds_exclusive = known->holds_exclusive || holder.holds_exclusive;
  known->holds_index = known->holds_index || holder.holds_index;
}

void add_rows(const SearchOrder& order, Search& found) {
  const Search rows = Holders(order).find();
  for (const Process& holder : rows.processes) add_holder(holder, found.processes);
  found.unattributed_shared = rows.unattributed_shared;
  found.unattributed_index = rows.unattributed_index;
  found.sees_all_locks = rows.sees_all_locks;
  found.is_stale = rows.is_stale;
}

}  // namespace

SearchOrder order_search(const LiveFiles& files, const Observation& seen) {
  SearchOrder order{.wanted = platform::wanted_files(files),
                    .has_locks = !is_unlocked(seen),
                    .main = {},
                    .shm = {}};
  if (!order.has_locks) return order;
  order.main = platform::file_in_lock_rows(files.fd_of(SourceFile::main));
  if (files.has(SourceFile::shm)) {
    order.shm = platform::file_in_lock_rows(files.fd_of(SourceFile::shm));
  }
  return order;
}

Search search(const SearchOrder& order) {
  Search found;
  const bool may_see_all =
      look_into_processes(order, found) && platform::may_look_into_all_processes();
  if (order.has_locks && !may_see_all) add_rows(order, found);
  found.order = order;
  return found;
}

}  // namespace sqlbk::users
