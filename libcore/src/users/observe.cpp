#include "users/observe.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <ctime>
#include <iterator>
#include <unistd.h>

#include "linux/locks.hpp"
#include "linux/process_files.hpp"
#include "sqlbk/core/file_system.hpp"
#include "sqlbk/core/source.hpp"
#include "sqlbk/format/wal_index.hpp"
#include "users/lock_file.hpp"

namespace sqlbk::users {
namespace {

// Looking into so many processes costs less than /proc/locks, which waits for all processors.
constexpr std::size_t kFewProcesses = 400;

std::optional<FileStat> stat_if_open(const LiveFiles& files, SourceFile file) {
  if (!files.has(file)) return std::nullopt;
  return files.stat(file);
}

// A write from now on gets a later time stamp than this one, whatever the file system keeps of it.
bool is_past(std::int64_t ctime_ns, const FileSystem& file_system) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  constexpr std::int64_t kTicks = kSecond / 20;
  timespec now{};
  static_cast<void>(::clock_gettime(CLOCK_REALTIME_COARSE, &now));
  // One that says it has nanoseconds may still keep whole seconds.
  const std::int64_t kept =
      ctime_ns % kSecond == 0 ? 2 * kSecond : file_system.timestamp_granularity.count();
  return std::int64_t{now.tv_sec} * kSecond + now.tv_nsec - ctime_ns > kept + kTicks;
}

bool may_scan_cheaply() {
  return platform::may_look_into_all_processes() && platform::process_count() <= kFewProcesses;
}

bool is_same(const std::optional<LockHolder>& a, const std::optional<LockHolder>& b) {
  return a.has_value() == b.has_value() && (!a || a->pid == b->pid);
}

std::optional<FileStat>& stat_in(Observation& seen, SourceFile file) {
  return seen.files.at(static_cast<std::size_t>(file));
}

class Observer {
 public:
  Observer(LiveFiles& files, const ScanProcesses& scan) : files_(files), scan_(scan) {}

  Observation observe_without_processes() {
    files_.refresh_sidecars();
    seen_.main_path = files_.main_path();
    seen_.is_initial_namespace = platform::is_in_initial_pid_namespace();
    look_at_locks();
    look_at_files();
    return seen_;
  }

  Observation observe() {
    observe_without_processes();
    look_at_lock_file();
    look_at_processes();
    return std::move(seen_);
  }

 private:
  // --- What costs next to nothing.

  void look_at_locks() {
    const LockState locks = lock_state(files_);
    seen_.shared = locks.shared;
    seen_.writer = locks.writer;
    seen_.exclusive = locks.exclusive;
    if (!files_.has(SourceFile::shm)) return;
    constexpr std::uint64_t kBytes = format::kWalDmsLockByte - format::kWalWriteLockByte + 1;
    seen_.index = conflicting_lock(files_.fd_of(SourceFile::shm), format::kWalWriteLockByte, kBytes,
                                   false, files_.path_of(SourceFile::shm));
    if (seen_.index && !seen_.shared && is_copied_elsewhere()) seen_.index.reset();
  }

  // Another copy by sqlbk is under way, and no owner is there: what stands on the -shm is the
  // copy's.
  bool is_copied_elsewhere() const {
    if (seen_.index->pid != -1) return false;
    const auto copy = conflicting_lock(files_.fd_of(SourceFile::main), kCopySharedByte, 1, false,
                                       files_.main_path());
    return copy && copy->pid == -1 && !copy->is_write;
  }

  void look_at_files() {
    for (const SourceFile file : kSourceFiles) stat_in(seen_, file) = stat_if_open(files_, file);
    const FileStat& main = *stat_in(seen_, SourceFile::main);
    const std::optional<FileStat>& wal = stat_in(seen_, SourceFile::wal);
    file_system_ = file_system_of(files_.fd_of(SourceFile::main), files_.main_path());
    seen_.tells_writes_to_main = is_past(main.ctime_ns, file_system_);
    seen_.names = main.links;
    seen_.has_wal = wal.has_value();
    seen_.wal_holds_something = wal && wal->size_bytes > 0;
    seen_.has_journal = files_.has(SourceFile::journal);
    seen_.journal_is_active = read_journal_state(files_) == format::JournalState::active;
    seen_.mode = mode_of(main);
  }

  Mode mode_of(const FileStat& main) const {
    if (seen_.wal_holds_something || seen_.index) return Mode::wal;
    const format::ParsedDbHeader header = read_db_header(files_);
    if (header) return header->says_wal() ? Mode::wal : Mode::rollback;
    return main.size_bytes == 0 || is_blank() ? Mode::rollback : Mode::unknown;
  }

  bool is_blank() const {
    std::array<std::byte, 16> start{};
    static_cast<void>(files_.read(SourceFile::main, start, 0));
    return std::ranges::all_of(start, [](std::byte byte) { return byte == std::byte{0}; });
  }

  void look_at_lock_file() {
    const std::optional<std::string> text = read_lock_file(files_);
    if (!text) return;
    const std::string path = files_.main_path() + std::string(kLockFileSuffix);
    seen_.lock_file = LockFile{.path = path, .pid = {}, .is_alive = false};
    const std::vector<int> numbers = numbers_in(*text);
    if (numbers.empty()) return;
    if (is_one_number(*text)) {
      name_in_lock_file(numbers.front());
      return;
    }
    for (const int number : numbers) {
      const Process* process = platform::is_process_alive(number) ? add_process(number) : nullptr;
      if (process != nullptr && process->has_main) name_in_lock_file(number);
    }
  }

  void name_in_lock_file(int pid) {
    seen_.lock_file->pid = pid;
    seen_.lock_file->is_alive = platform::is_process_alive(pid);
    if (seen_.lock_file->is_alive) static_cast<void>(add_process(pid));
  }

  // --- Processes.

  const std::vector<platform::WantedFile>& wanted() {
    if (wanted_.empty()) wanted_ = platform::wanted_files(files_);
    return wanted_;
  }

  // nullptr: it is gone.
  Process* add_process(int pid) {
    const auto known = std::ranges::find(seen_.processes, pid, &Process::pid);
    if (known != seen_.processes.end()) return &*known;
    std::optional<Process> process = platform::process_of(pid, wanted());
    if (!process) {
      seen_.is_stale = true;
      return nullptr;
    }
    return &seen_.processes.emplace_back(*std::move(process));
  }

  // Of a lock on main: a process that does not have it open has just closed it.
  Process* add_holder(int pid) {
    Process* process = add_process(pid);
    if (process == nullptr || !process->is_visible || process->has_main) return process;
    seen_.is_stale = true;
    process->is_visible = false;
    return process;
  }

  void look_at_processes() {
    if (is_unlocked(seen_)) {
      scan();
    } else if (needs_all_holders(seen_)) {
      look_at_all_holders();
    } else {
      look_at_named_holders();
      // A journal that is not the writer's is a dead owner's, or that of one that has lost its
      // main.
      if (seen_.journal_is_active && !seen_.writer) scan();
    }
  }

  void scan() {
    platform::ProcessScan scan = scan_();
    seen_.has_searched = true;
    for (Process& process : scan.processes) {
      const auto known = std::ranges::find(seen_.processes, process.pid, &Process::pid);
      if (known == seen_.processes.end()) {
        seen_.processes.push_back(std::move(process));
      } else {
        *known = std::move(process);
      }
    }
    forget_own_flocks();
    has_seen_all_ =
        scan.unseen == 0 && seen_.is_initial_namespace && platform::may_look_into_all_processes();
  }

  // A program may lock main for the time of the copy, and its descriptor be inherited by this one,
  // as from flock(1).
  void forget_own_flocks() {
    const auto self = std::ranges::find(seen_.processes, ::getpid(), &Process::pid);
    if (self == seen_.processes.end()) return;
    const std::vector<int> own = self->flocks;
    for (Process& process : seen_.processes) {
      std::erase_if(process.flocks,
                    [&](int pid) { return std::ranges::find(own, pid) != own.end(); });
    }
  }

  void look_at_named_holders() {
    // Some owners lock for an open file; a descriptor tells whose that is.
    if (seen_.shared && seen_.shared->pid == -1) scan();
    add_named(seen_.exclusive, &Process::holds_exclusive);
    add_named(seen_.writer, &Process::holds_writer);
    add_named(seen_.shared, &Process::holds_shared);
    count_unattributed();
  }

  void add_named(const std::optional<LockHolder>& holder, bool Process::*lock) {
    if (!holder || holder->pid <= 0) return;
    Process* process = add_holder(holder->pid);
    if (process == nullptr) return;
    process->*lock = true;
    process->holds_shared = process->holds_shared || lock == &Process::holds_exclusive;
  }

  // That which fcntl(2) has named and no process is known for.
  void count_unattributed() {
    if (!seen_.shared || seen_.shared->pid > 0) return;
    const bool is_seen = seen_.shared->pid == -1 &&
                         std::ranges::any_of(seen_.processes, &Process::locks_by_open_file);
    if (!is_seen) seen_.unattributed_shared = 1;
  }

  // --- Everything that holds SHARED, and everything that holds a lock on the -shm.

  void look_at_all_holders() {
    seen_.has_searched = true;
    if (may_scan_cheaply()) {
      holders_from_processes();
    } else {
      holders_from_rows();
      if (platform::may_look_into_all_processes() &&
          (seen_.unattributed_shared > 0 || seen_.unattributed_index > 0)) {
        holders_from_processes();
      }
    }
  }

  void holders_from_processes() {
    seen_.unattributed_shared = 0;
    seen_.unattributed_index = 0;
    scan();
    seen_.sees_all_locks = has_seen_all_;
    add_named(seen_.shared, &Process::holds_shared);
    add_named(seen_.index, &Process::holds_index);
    count_unattributed();
    // A lock for an open file may also be that of a copy.
    if (seen_.index && seen_.index->pid == 0) seen_.unattributed_index = 1;
  }

  // The kernel may leave rows out while others lock and unlock, so they are read twice; what is
  // there once was there.
  std::vector<platform::ProcLock> rows_of(SourceFile file) {
    if (!files_.has(file)) return {};
    if (rows_.empty()) {
      rows_ = platform::read_proc_locks();
      for (const platform::ProcLock& row : platform::read_proc_locks()) {
        if (std::ranges::find(rows_, row) == rows_.end()) rows_.push_back(row);
      }
    }
    const platform::LockedFile wanted = platform::file_in_lock_rows(files_.fd_of(file));
    std::vector<platform::ProcLock> rows;
    std::ranges::copy_if(rows_, std::back_inserter(rows),
                         [&](const platform::ProcLock& row) { return row.file == wanted; });
    return rows;
  }

  void holders_from_rows() {
    bool is_copied = false;
    bool has_named_shared = seen_.shared->pid <= 0;
    for (const platform::ProcLock& row : rows_of(SourceFile::main)) {
      is_copied = is_copied || platform::is_lock_of_a_copy(row);
      has_named_shared = has_named_shared || row.pid == seen_.shared->pid;
      add_main_row(row);
    }
    for (const platform::ProcLock& row : rows_of(SourceFile::shm)) {
      if (!platform::is_index_lock(row)) continue;
      if (row.is_posix) {
        if (Process* process = add_process(row.pid)) process->holds_index = true;
      } else if (!is_copied || seen_.unattributed_shared > 0) {
        ++seen_.unattributed_index;
      }
    }
    // Not found: it has gone, or the rows number the file in a way that is not understood.
    seen_.sees_all_locks = seen_.is_initial_namespace && has_named_shared;
    if (seen_.shared->pid == 0) ++seen_.unattributed_shared;
    if (seen_.index && seen_.index->pid == 0) ++seen_.unattributed_index;
  }

  void add_main_row(const platform::ProcLock& row) {
    if (platform::is_lock_of_a_copy(row)) return;
    if (row.is_posix) {
      if (Process* process = add_holder(row.pid)) platform::add_main_lock(row, *process);
      return;
    }
    Process of_nobody;
    platform::add_main_lock(row, of_nobody);
    if (of_nobody.holds_shared) ++seen_.unattributed_shared;
  }

  LiveFiles& files_;
  const ScanProcesses& scan_;
  Observation seen_;
  FileSystem file_system_;
  bool has_seen_all_ = false;  // of the processes that have any of the files open
  std::vector<platform::WantedFile> wanted_;
  std::vector<platform::ProcLock> rows_;
};

}  // namespace

Observation observe(LiveFiles& files, const ScanProcesses& scan) {
  return Observer(files, scan).observe();
}

Observation observe_without_processes(LiveFiles& files) {
  return Observer(files, {}).observe_without_processes();
}

bool needs_all_processes(const Observation& seen) {
  return is_unlocked(seen) || (needs_all_holders(seen) && may_scan_cheaply());
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
