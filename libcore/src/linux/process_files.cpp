#include "linux/process_files.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <utility>

#include "linux/locks.hpp"
#include "linux/proc.hpp"
#include "sqlbk/core/locks.hpp"
#include "sqlbk/core/open_files.hpp"
#include "sqlbk/format/wal_index.hpp"

namespace sqlbk::platform {
namespace {

enum class Sight { seen, gone, forbidden };

// A descriptor, as far as it matters here.
struct Descriptor {
  int number = -1;
  std::optional<SourceFile> file;  // of the source
  std::string name;                // where the kernel says that it is
};

// The descriptor need not be opened for that, and AT_STATX_DONT_SYNC asks no server, which might be
// gone. nullopt: it was closed meanwhile.
std::optional<struct statx> what_is_open(int table_fd, int fd) {
  std::array<char, 16> name{};
  *std::to_chars(name.data(), name.data() + name.size() - 1, fd).ptr = '\0';
  struct statx found {};
  if (::statx(table_fd, name.data(), AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE | STATX_INO,
              &found) != 0) {
    return std::nullopt;
  }
  return found;
}

// The table may be listed and yet nothing in it be looked at, as that of a process with a
// capability that this one has not. Asked before it is listed, which takes long where much is open.
bool is_forbidden(int table_fd) {
  struct statx found {};
  return ::statx(table_fd, "0", AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &found) != 0 &&
         errno == EACCES;
}

bool is_file(const struct statx& found, const FileStat& wanted) {
  return found.stx_ino == wanted.inode &&
         makedev(found.stx_dev_major, found.stx_dev_minor) == wanted.device;
}

bool is_fuse_device(const struct statx& found) {
  constexpr unsigned kMiscMajor = 10;
  constexpr unsigned kFuseMinor = 229;  // Documentation/admin-guide/devices.txt
  return S_ISCHR(found.stx_mode) && found.stx_rdev_major == kMiscMajor &&
         found.stx_rdev_minor == kFuseMinor;
}

// Asks no server, which might be gone.
std::optional<struct statx> what_is_at(const std::string& path, unsigned mask) {
  struct statx found {};
  if (::statx(AT_FDCWD, path.c_str(), AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, mask, &found) != 0) {
    return std::nullopt;
  }
  return found;
}

bool is_deleted(const std::string& link) {
  const std::optional<struct statx> found = what_is_at(link, STATX_NLINK);
  return found && found->stx_nlink == 0;
}

// One table of descriptors: a process's, or a thread's own.
class Table {
 public:
  Table(std::string directory, const std::vector<WantedFile>& wanted)
      : path_(std::move(directory)) {
    const Directory table(::opendir((path_ + "/fd").c_str()));
    if (!table) {
      sight_ = errno == EACCES || errno == EPERM ? Sight::forbidden : Sight::gone;
      return;
    }
    if (is_forbidden(::dirfd(table.get()))) {
      sight_ = Sight::forbidden;
      return;
    }
    while (const std::optional<int> fd = next_number(table.get())) {
      look_at(::dirfd(table.get()), *fd, wanted);
    }
  }

  Sight sight() const noexcept { return sight_; }
  bool serves_files() const noexcept { return serves_files_; }
  bool has(SourceFile file) const noexcept {
    return std::ranges::any_of(regular_, [&](const Descriptor& fd) { return fd.file == file; });
  }
  bool has_any() const noexcept {
    return std::ranges::any_of(regular_, [](const Descriptor& fd) { return fd.file.has_value(); });
  }
  // Its regular files, with their names.
  const std::vector<Descriptor>& regular_files() {
    if (!has_names_) {
      for (Descriptor& fd : regular_) fd.name = name_of(fd.number);
    }
    has_names_ = true;
    return regular_;
  }

  bool is_open_for_writing(int fd) const {
    std::ifstream info(path_ + "/fdinfo/" + std::to_string(fd));
    for (std::string word, value; info >> word >> value;) {
      if (word != "flags:") continue;
      unsigned flags = 0;
      static_cast<void>(std::from_chars(value.data(), value.data() + value.size(), flags, 8));
      return (flags & static_cast<unsigned>(O_ACCMODE)) != O_RDONLY;
    }
    return false;
  }
  // The locks that were taken through this descriptor.
  std::vector<ProcLock> locks_through(int fd) const {
    constexpr std::string_view kKey = "lock:";
    std::vector<ProcLock> locks;
    std::ifstream info(path_ + "/fdinfo/" + std::to_string(fd));
    for (std::string line; std::getline(info, line);) {
      if (!line.starts_with(kKey)) continue;
      if (const auto lock = parse_lock_row(line.substr(kKey.size()))) locks.push_back(*lock);
    }
    return locks;
  }

 private:
  void look_at(int table_fd, int fd, const std::vector<WantedFile>& wanted) {
    const std::optional<struct statx> found = what_is_open(table_fd, fd);
    if (!found) return;
    serves_files_ = serves_files_ || is_fuse_device(*found);
    if (!S_ISREG(found->stx_mode)) return;
    Descriptor one{.number = fd, .file = {}, .name = {}};
    for (const WantedFile& candidate : wanted) {
      if (is_file(*found, candidate.stat)) one.file = candidate.file;
    }
    regular_.push_back(std::move(one));
  }

  std::string name_of(int fd) const {
    std::array<char, PATH_MAX> buffer{};
    const std::string link = path_ + "/fd/" + std::to_string(fd);
    const ssize_t size = ::readlink(link.c_str(), buffer.data(), buffer.size());
    std::string name(buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    constexpr std::string_view kDeleted = " (deleted)";
    if (name.ends_with(kDeleted) && is_deleted(link)) name.resize(name.size() - kDeleted.size());
    return name;
  }

  std::string path_;
  Sight sight_ = Sight::seen;
  bool serves_files_ = false;
  bool has_names_ = false;
  std::vector<Descriptor> regular_;
};

// The name without "-wal", "-shm" or "-journal"; nullopt: it has none of them.
std::optional<std::string> main_of_sidecar(std::string_view name) {
  for (const SourceFile file : {SourceFile::wal, SourceFile::shm, SourceFile::journal}) {
    const std::string_view suffix = suffix_of(file);
    if (name.ends_with(suffix)) return std::string(name.substr(0, name.size() - suffix.size()));
  }
  return std::nullopt;
}

bool is_named(const std::vector<Descriptor>& files, const std::string& name,
              std::optional<SourceFile> file) {
  return std::ranges::any_of(
      files, [&](const Descriptor& fd) { return fd.name == name && (!file || fd.file == file); });
}

// Names are those of the process's own root.
bool names_main(int pid, const std::string& name, const FileStat& main) {
  const std::optional<struct statx> found =
      what_is_at("/proc/" + std::to_string(pid) + "/root" + name, STATX_TYPE | STATX_INO);
  return found && is_file(*found, main);
}

void add_sidecars(Table& table, const FileStat& main, users::Process& process) {
  const std::vector<Descriptor>& files = table.regular_files();
  for (const Descriptor& fd : files) {
    const auto base = fd.file ? std::nullopt : main_of_sidecar(fd.name);
    if (!base) continue;
    if (is_named(files, *base, SourceFile::main) || names_main(process.pid, *base, main)) {
      process.other_sidecars.push_back(fd.name);
    } else if (!is_named(files, *base, std::nullopt)) {
      process.stray_sidecars.push_back(fd.name);
    }
  }
}

void add_file(const Table& table, const Descriptor& fd, users::Process& process) {
  const bool writes = table.is_open_for_writing(fd.number);
  switch (*fd.file) {
    case SourceFile::main:
      process.has_main = true;
      process.writes_main = process.writes_main || writes;
      break;
    case SourceFile::wal:
      process.has_wal = true;
      process.writes_wal = process.writes_wal || writes;
      break;
    case SourceFile::shm:
      process.has_shm = true;
      break;
    case SourceFile::journal:
      process.has_journal = true;
      process.writes_journal = process.writes_journal || writes;
      break;
  }
}

void add_locks(Table& table, users::Process& process) {
  bool is_copy = false;
  std::vector<ProcLock> of_index;
  for (const Descriptor& fd : table.regular_files()) {
    if (fd.file != SourceFile::main && fd.file != SourceFile::shm) continue;
    for (const ProcLock& lock : table.locks_through(fd.number)) {
      if (fd.file == SourceFile::shm) {
        of_index.push_back(lock);
      } else if (is_lock_of_a_copy(lock)) {
        is_copy = true;
      } else {
        add_main_lock(lock, process);
      }
    }
  }
  process.holds_index = std::ranges::any_of(of_index, [&](const ProcLock& lock) {
    return is_index_lock(lock) && (lock.is_posix || !is_copy || process.holds_shared);
  });
}

const FileStat& main_of(const std::vector<WantedFile>& wanted) {
  return std::ranges::find(wanted, SourceFile::main, &WantedFile::file)->stat;
}

users::Process process_in(int pid, Table& table, const std::vector<WantedFile>& wanted) {
  users::Process process;
  process.pid = pid;
  process.program = program_of(pid);
  process.is_visible = true;
  process.serves_files = table.serves_files();
  for (const Descriptor& fd : table.regular_files()) {
    if (fd.file) add_file(table, fd, process);
  }
  add_sidecars(table, main_of(wanted), process);
  add_locks(table, process);
  return process;
}

// In the initial namespace, the only one in which all can be seen, it is init, which opens no
// databases (docs/consistency.md, "The right files").
constexpr int kInit = 1;

// Whether the table has any of the files open, for the many processes that have none.
enum class Found { none, some, forbidden };

struct Lookup {
  Found found = Found::none;
  bool is_empty = true;  // the table
};

Lookup look_for(const std::vector<WantedFile>& wanted, const std::string& table_path) {
  const Directory table(::opendir(table_path.c_str()));
  if (!table) return {errno == EACCES || errno == EPERM ? Found::forbidden : Found::none, true};
  if (is_forbidden(::dirfd(table.get()))) return {Found::forbidden, false};
  bool is_empty = true;
  while (const std::optional<int> fd = next_number(table.get())) {
    is_empty = false;
    const std::optional<struct statx> open = what_is_open(::dirfd(table.get()), *fd);
    if (!open) continue;
    for (const WantedFile& one : wanted) {
      if (is_file(*open, one.stat)) return {Found::some, false};
    }
  }
  return {Found::none, is_empty};
}

std::string directory_of(int pid) {
  return "/proc/" + std::to_string(pid);
}

// A thread may have a table of its own (close_range(2)); its locks are the process's to the kernel.
std::optional<users::Process> process_in_a_thread(int pid, const std::vector<WantedFile>& wanted) {
  const Directory threads(::opendir((directory_of(pid) + "/task").c_str()));
  while (threads) {
    const std::optional<int> thread = next_number(threads.get());
    if (!thread) break;
    Table table(directory_of(pid) + "/task/" + std::to_string(*thread), wanted);
    if (table.has_any()) return process_in(pid, table, wanted);
  }
  return std::nullopt;
}

// Its first thread has ended and lists nothing any more; the others go on with its descriptors. The
// kernel's own threads are alone in their processes.
bool may_have_lost_its_first_thread(int pid) {
  constexpr unsigned kLinksOfOneThread = 3;
  const auto threads = what_is_at(directory_of(pid) + "/task", STATX_NLINK);
  return threads && threads->stx_nlink > kLinksOfOneThread;
}

// Where /proc is that of another process-id namespace, its numbers are those of other processes.
bool shows_own_numbers() {
  std::array<char, 16> self{};
  const ssize_t size = ::readlink("/proc/self", self.data(), self.size());
  return size > 0 && std::string_view(self.data(), static_cast<std::size_t>(size)) ==
                         std::to_string(::getpid());
}

users::Process invisible(int pid) {
  users::Process process;
  process.pid = pid;
  process.program = program_of(pid);
  return process;
}

}  // namespace

bool is_lock_of_a_copy(const ProcLock& lock) {
  return !lock.is_posix && !lock.is_flock && lock.first_byte == kCopySharedByte &&
         lock.last_byte == kCopySharedByte;
}

bool is_index_lock(const ProcLock& lock) {
  return !lock.is_flock && lock.first_byte <= format::kWalDmsLockByte &&
         lock.last_byte >= format::kWalWriteLockByte;
}

void add_main_lock(const ProcLock& lock, users::Process& process) {
  if (lock.is_flock) {
    if (lock.is_write) process.flocks.push_back(lock.pid);
    return;
  }
  const std::uint64_t shared_end = kSharedFirstByte + kSharedSizeBytes;
  if (lock.first_byte < shared_end && lock.last_byte > kCopySharedByte) {
    process.holds_shared = true;
    process.locks_by_open_file = process.locks_by_open_file || !lock.is_posix;
    process.holds_exclusive = process.holds_exclusive || lock.is_write;
  }
  const bool is_writers = lock.first_byte <= kReservedByte && lock.last_byte >= kPendingByte;
  process.holds_writer = process.holds_writer || (is_writers && lock.is_write);
}

std::vector<WantedFile> wanted_files(const LiveFiles& files) {
  std::vector<WantedFile> wanted;
  for (const SourceFile file : kSourceFiles) {
    if (files.has(file)) wanted.push_back({file, files.stat(file)});
  }
  return wanted;
}

std::optional<users::Process> process_of(int pid, const std::vector<WantedFile>& wanted) {
  if (!shows_own_numbers()) return invisible(pid);
  Table table(directory_of(pid), wanted);
  if (table.sight() == Sight::seen) {
    auto process = table.has(SourceFile::main) ? std::nullopt : process_in_a_thread(pid, wanted);
    return process ? process : process_in(pid, table, wanted);
  }
  if (table.sight() == Sight::gone && !is_process_alive(pid)) return std::nullopt;
  return invisible(pid);
}

ProcessScan scan_processes(const std::vector<WantedFile>& wanted) {
  ProcessScan scan{.wanted = wanted, .processes = {}, .unseen = 0};
  if (!shows_own_numbers()) return scan;
  const Directory processes(::opendir("/proc"));
  while (processes) {
    const std::optional<int> pid = next_number(processes.get());
    if (!pid) break;
    const Lookup lookup = look_for(wanted, directory_of(*pid) + "/fd");
    if (lookup.found == Found::forbidden && *pid != kInit && !is_kernel_thread(*pid)) ++scan.unseen;
    if (lookup.is_empty && may_have_lost_its_first_thread(*pid)) {
      auto process = process_in_a_thread(*pid, wanted);
      if (process) scan.processes.push_back(*std::move(process));
    }
    if (lookup.found != Found::some) continue;
    Table table(directory_of(*pid), wanted);
    scan.processes.push_back(process_in(*pid, table, wanted));
  }
  return scan;
}

bool may_look_into_all_processes() {
  // Where process 1 is hidden (hidepid), others are, too.
  return shows_own_numbers() && Directory(::opendir("/proc/1/fd")) != nullptr;
}

std::size_t process_count() {
  struct stat proc {};
  return ::stat("/proc", &proc) == 0 ? proc.st_nlink : 0;
}

bool is_in_initial_pid_namespace() {
  constexpr ino_t kInitialPidNamespace = 0xEFFFFFFC;  // PROC_PID_INIT_INO in the kernel
  struct stat ns {};
  return ::stat("/proc/self/ns/pid", &ns) == 0 && ns.st_ino == kInitialPidNamespace;
}

bool is_process_alive(int pid) noexcept {
  return pid > 0 && (::kill(pid, 0) == 0 || errno == EPERM);
}

}  // namespace sqlbk::platform
