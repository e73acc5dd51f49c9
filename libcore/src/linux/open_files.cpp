#include "sqlbk/core/open_files.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <linux/kcmp.h>
#include <optional>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "linux/proc.hpp"

namespace sqlbk {
namespace {

using platform::Directory;
using platform::is_kernel_thread;
using platform::next_number;

struct Wanted {
  SourceFile file;
  FileStat stat;
};

enum class Sight { seen, gone, forbidden };

// What the descriptor refers to. It need not be opened for that, and AT_STATX_DONT_SYNC asks no
// server, which might be gone.
bool refers_to(int table_fd, const std::string& name, const FileStat& wanted) {
  struct statx found {};
  const unsigned mask = STATX_TYPE | STATX_INO;
  if (::statx(table_fd, name.c_str(), AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, mask, &found) != 0) {
    return false;  // closed meanwhile
  }
  return found.stx_ino == wanted.inode &&
         makedev(found.stx_dev_major, found.stx_dev_minor) == wanted.device;
}

// Adds to `files` what of `wanted` is open in the descriptor table at `path`.
Sight look_into_table(const std::string& path, const std::vector<Wanted>& wanted,
                      std::vector<SourceFile>& files) {
  const Directory table(::opendir(path.c_str()));
  if (!table) return errno == EACCES || errno == EPERM ? Sight::forbidden : Sight::gone;
  while (const std::optional<int> fd = next_number(table.get())) {
    for (const Wanted& one : wanted) {
      if (refers_to(::dirfd(table.get()), std::to_string(*fd), one.stat)) {
        files.push_back(one.file);
      }
    }
  }
  return Sight::seen;
}

// Where the system does not say so (EPERM in containers), the answer is no.
bool share_descriptors(int pid, int thread) {
  return ::syscall(SYS_kcmp, pid, thread, KCMP_FILES, 0, 0) == 0;
}

// The table of the process, and those of threads that have one of their own, as a copy by sqlbk
// has (host_thread.hpp).
Sight look_into_process(int pid, const std::vector<Wanted>& wanted,
                        std::vector<SourceFile>& files) {
  const std::string process = "/proc/" + std::to_string(pid);
  const Sight sight = look_into_table(process + "/fd", wanted, files);
  const Directory threads(sight == Sight::seen ? ::opendir((process + "/task").c_str()) : nullptr);
  while (threads) {
    const std::optional<int> thread = next_number(threads.get());
    if (!thread) break;
    if (*thread == pid || share_descriptors(pid, *thread)) continue;
    static_cast<void>(
        look_into_table(process + "/task/" + std::to_string(*thread) + "/fd", wanted, files));
  }
  std::ranges::sort(files);
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return sight;
}

std::vector<Wanted> identities(const LiveFiles& files) {
  std::vector<Wanted> wanted;
  for (const SourceFile file : kSourceFiles) {
    if (files.has(file)) wanted.push_back({file, files.stat(file)});
  }
  return wanted;
}

}  // namespace

OpenFiles list_open_files(const LiveFiles& files) {
  OpenFiles open;
  const std::vector<Wanted> wanted = identities(files);
  const Directory processes(::opendir("/proc"));
  while (processes) {
    const std::optional<int> pid = next_number(processes.get());
    if (!pid) break;
    if (*pid == ::getpid()) continue;
    FileUser user{.pid = *pid, .program = {}, .files = {}};
    const Sight sight = look_into_process(*pid, wanted, user.files);
    if (sight == Sight::forbidden && !is_kernel_thread(*pid)) ++open.unseen_processes;
    if (user.files.empty()) continue;
    user.program = program_of(*pid);
    open.users.push_back(std::move(user));
  }
  std::ranges::sort(open.users, {}, &FileUser::pid);
  return open;
}

std::optional<std::vector<SourceFile>> files_open_in(int pid, const LiveFiles& files) {
  std::vector<SourceFile> open;
  if (look_into_process(pid, identities(files), open) != Sight::seen) return std::nullopt;
  return open;
}

std::string program_of(int pid) {
  std::string program;
  std::ifstream comm("/proc/" + std::to_string(pid) + "/comm");
  static_cast<void>(std::getline(comm, program));
  return program;
}

}  // namespace sqlbk
