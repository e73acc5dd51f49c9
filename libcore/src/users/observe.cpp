#include "users/observe.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <ctime>
#include <utility>

#include "linux/process_files.hpp"
#include "sqlbk/core/file_system.hpp"
#include "sqlbk/core/source.hpp"
#include "sqlbk/format/wal_index.hpp"
#include "users/lock_file.hpp"

namespace sqlbk::users {
namespace {

std::optional<FileStat> stat_if_open(const LiveFiles& files, SourceFile file) {
  if (!files.has(file)) return std::nullopt;
  return files.stat(file);
}

std::optional<FileStat>& stat_in(Observation& seen, SourceFile file) {
  return seen.files.at(static_cast<std::size_t>(file));
}

bool is_same(const std::optional<LockHolder>& a, const std::optional<LockHolder>& b) {
  return a.has_value() == b.has_value() && (!a || a->pid == b->pid);
}

// A write from now on gets a later time stamp than this one, whatever the file system keeps of it.
bool is_past(std::int64_t ctime_ns, std::chrono::nanoseconds granularity) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  constexpr std::int64_t kTicks = kSecond / 20;
  timespec now{};
  static_cast<void>(::clock_gettime(CLOCK_REALTIME_COARSE, &now));
  // One that says it has nanoseconds may still keep whole seconds.
  const std::int64_t kept = ctime_ns % kSecond == 0 ? 2 * kSecond : granularity.count();
  return std::int64_t{now.tv_sec} * kSecond + now.tv_nsec - ctime_ns > kept + kTicks;
}

// --- Locks and files.

// Another copy by sqlbk is under way, and no owner is there: what stands on the -shm is the copy's.
bool is_of_a_copy(const LockHolder& index, const LiveFiles& files) {
  if (index.pid != -1) return false;
  const auto copy =
      conflicting_lock(files.fd_of(SourceFile::main), kCopySharedByte, 1, false, files.main_path());
  return copy && copy->pid == -1 && !copy->is_write;
}

void add_locks(const LiveFiles& files, Observation& seen) {
  const LockState locks = lock_state(files);
  seen.shared = locks.shared;
  seen.writer = locks.writer;
  seen.exclusive = locks.exclusive;
  if (!files.has(SourceFile::shm)) return;
  constexpr std::uint64_t kBytes = format::kWalDmsLockByte - format::kWalWriteLockByte + 1;
  seen.index = conflicting_lock(files.fd_of(SourceFile::shm), format::kWalWriteLockByte, kBytes,
                                false, files.path_of(SourceFile::shm));
  if (seen.index && !seen.shared && is_of_a_copy(*seen.index, files)) seen.index.reset();
}

bool is_blank(const LiveFiles& files) {
  std::array<std::byte, 16> start{};
  static_cast<void>(files.read(SourceFile::main, start, 0));
  return std::ranges::all_of(start, [](std::byte byte) { return byte == std::byte{0}; });
}

Mode mode_of(const LiveFiles& files, const Observation& seen) {
  if (seen.wal_holds_something || seen.index) return Mode::wal;
  const format::ParsedDbHeader header = read_db_header(files);
  if (header) return header->says_wal() ? Mode::wal : Mode::rollback;
  return is_blank(files) ? Mode::rollback : Mode::unknown;
}

void add_files(const LiveFiles& files, Observation& seen) {
  for (const SourceFile file : kSourceFiles) stat_in(seen, file) = stat_if_open(files, file);
  const FileStat& main = *stat_in(seen, SourceFile::main);
  const std::optional<FileStat>& wal = stat_in(seen, SourceFile::wal);
  seen.tells_writes_to_main = is_past(
      main.ctime_ns,
      file_system_of(files.fd_of(SourceFile::main), files.main_path()).timestamp_granularity);
  seen.names = main.links;
  seen.has_wal = wal.has_value();
  seen.wal_holds_something = wal && wal->size_bytes > 0;
  seen.has_journal = files.has(SourceFile::journal);
  seen.journal_is_active = read_journal_state(files) == format::JournalState::active;
  seen.mode = mode_of(files, seen);
}

// --- Processes.

// nullptr: it is gone.
Process* add_process(int pid, const std::vector<platform::WantedFile>& wanted, Observation& seen) {
  const auto known = std::ranges::find(seen.processes, pid, &Process::pid);
  if (known != seen.processes.end()) return &*known;
  std::optional<Process> process = platform::process_of(pid, wanted);
  if (!process) {
    seen.is_stale = true;
    return nullptr;
  }
  return &seen.processes.emplace_back(*std::move(process));
}

void name_in_lock_file(int pid, const std::vector<platform::WantedFile>& wanted,
                       Observation& seen) {
  seen.lock_file->pid = pid;
  seen.lock_file->is_alive = platform::is_process_alive(pid);
  if (seen.lock_file->is_alive) static_cast<void>(add_process(pid, wanted, seen));
}

void add_lock_file(const LiveFiles& files, Observation& seen) {
  const std::optional<std::string> text = read_lock_file(files);
  if (!text) return;
  seen.lock_file = LockFile{
      .path = files.main_path() + std::string(kLockFileSuffix), .pid = {}, .is_alive = false};
  const std::vector<int> numbers = numbers_in(*text);
  if (numbers.empty()) return;
  const std::vector<platform::WantedFile> wanted = platform::wanted_files(files);
  if (is_one_number(*text)) {
    name_in_lock_file(numbers.front(), wanted, seen);
    return;
  }
  // Whichever of them is a process that has main open.
  for (const int number : numbers) {
    if (!platform::is_process_alive(number)) continue;
    const Process* process = add_process(number, wanted, seen);
    if (process != nullptr && process->has_main) name_in_lock_file(number, wanted, seen);
  }
}

void add_named(const std::optional<LockHolder>& holder, bool Process::*lock,
               const std::vector<platform::WantedFile>& wanted, Observation& seen) {
  if (!holder || holder->pid <= 0) return;
  Process* process = add_process(holder->pid, wanted, seen);
  if (process == nullptr) return;
  process->*lock = true;
  process->holds_shared = process->holds_shared || lock == &Process::holds_exclusive;
  // It has just closed it.
  if (lock != &Process::holds_index && process->is_visible && !process->has_main) {
    seen.is_stale = true;
    process->is_visible = false;
  }
}

// What fcntl(2) has named, and what it could not name.
void add_all_named(const std::vector<platform::WantedFile>& wanted, Observation& seen) {
  add_named(seen.exclusive, &Process::holds_exclusive, wanted, seen);
  add_named(seen.writer, &Process::holds_writer, wanted, seen);
  add_named(seen.shared, &Process::holds_shared, wanted, seen);
  add_named(seen.index, &Process::holds_index, wanted, seen);
  if (!seen.shared || seen.shared->pid > 0 || seen.unattributed_shared > 0) return;
  const bool is_seen =
      seen.shared->pid == -1 && std::ranges::any_of(seen.processes, &Process::locks_by_open_file);
  if (!is_seen) seen.unattributed_shared = 1;
}

// fcntl(2) has named a process that the search has not found and that may not be looked into: it
// has just come, or the rows of /proc/locks number the file in a way that is not understood.
bool is_unfound(const std::optional<LockHolder>& holder, const Search& found) {
  if (!holder || holder->pid <= 0) return false;
  if (std::ranges::find(found.processes, holder->pid, &Process::pid) != found.processes.end()) {
    return false;
  }
  const std::optional<Process> process = platform::process_of(holder->pid, found.order.wanted);
  return process && !process->is_visible;
}

void merge(std::vector<Process> found, std::vector<Process>& processes) {
  for (Process& process : found) {
    const auto known = std::ranges::find(processes, process.pid, &Process::pid);
    if (known == processes.end()) {
      processes.push_back(std::move(process));
    } else {
      *known = std::move(process);
    }
  }
}

}  // namespace

Observation observe_locks(LiveFiles& files) {
  files.refresh_sidecars();
  Observation seen;
  seen.main_path = files.main_path();
  seen.is_initial_namespace = platform::is_in_initial_pid_namespace();
  add_locks(files, seen);
  add_files(files, seen);
  seen.unseen = read_unseen_locks(files);
  add_lock_file(files, seen);
  return seen;
}

Observation observe_named_holders(Observation locks, const LiveFiles& files) {
  add_all_named(platform::wanted_files(files), locks);
  return locks;
}

Observation observe_found(Observation locks, Search found) {
  if (is_unfound(locks.shared, found)) {
    locks.shared->pid = 0;
    locks.is_stale = true;
    found.sees_all_locks = false;
  }
  merge(std::move(found.processes), locks.processes);
  locks.unattributed_shared = found.unattributed_shared;
  locks.unattributed_index = found.unattributed_index;
  locks.sees_all_locks = found.sees_all_locks;
  locks.is_stale = locks.is_stale || found.is_stale;
  locks.has_searched = true;
  add_all_named(found.order.wanted, locks);
  // A lock for an open file may also be that of a copy.
  if (locks.index && locks.index->pid == 0) locks.unattributed_index = 1;
  return locks;
}

bool is_as_before(const Observation& before, const Observation& now) {
  for (std::size_t i = 0; i < before.files.size(); ++i) {
    const std::optional<FileStat>& then = before.files.at(i);
    const std::optional<FileStat>& later = now.files.at(i);
    if (then.has_value() != later.has_value()) return false;
    if (then && !then->same_file(*later)) return false;
  }
  const FileStat& main = *before.files.front();
  return before.tells_writes_to_main && main.unchanged(*now.files.front()) &&
         main.links == now.files.front()->links && before.mode == now.mode &&
         before.journal_is_active == now.journal_is_active && is_same(before.shared, now.shared) &&
         is_same(before.writer, now.writer) && is_same(before.exclusive, now.exclusive) &&
         is_same(before.index, now.index);
}

}  // namespace sqlbk::users
