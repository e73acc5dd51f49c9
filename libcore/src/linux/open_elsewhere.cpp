#include "linux/open_elsewhere.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/filesystem.hpp>

#include "sqlbk/core/sys.hpp"

namespace sqlbk::platform {
namespace {

namespace fs = boost::filesystem;

enum class Found { no, yes, unknown };

// `unknown`: this user may not look into that table.
Found found_in_table(const std::string& path, const FileStat& wanted) {
  boost::system::error_code code;
  for (fs::directory_iterator fd(path, code), end; !code && fd != end; fd.increment(code)) {
    struct stat raw {};
    if (::stat(fd->path().c_str(), &raw) == 0 && raw.st_dev == wanted.device &&
        raw.st_ino == wanted.inode) {
      return Found::yes;
    }
  }
  return code == boost::system::errc::permission_denied ? Found::unknown : Found::no;
}

Found found_in_proc(const FileStat& wanted) {
  // Every system has a process 1; where it is not shown (hidepid), others are not either.
  Found found = ::access("/proc/1", F_OK) == 0 ? Found::no : Found::unknown;
  boost::system::error_code code;
  for (fs::directory_iterator process("/proc", code), end; !code && process != end;
       process.increment(code)) {
    if (process->path().filename().string().find_first_not_of("0123456789") != std::string::npos) {
      continue;
    }
    const Found here = found_in_table((process->path() / "fd").string(), wanted);
    if (here == Found::yes) return here;
    if (here == Found::unknown) found = here;
  }
  return found;
}

}  // namespace

OpenElsewhere open_elsewhere(int fd, const std::string& path) {
  // Whoever opens the file in the moment of the lease has a signal sent to us: by default SIGIO,
  // which ends the process. SIGURG is ignored unless somebody wants it.
  static_cast<void>(::fcntl(fd, F_SETSIG, SIGURG));
  if (sys().set_lease(fd, F_WRLCK) == 0) {
    static_cast<void>(sys().set_lease(fd, F_UNLCK));
    return OpenElsewhere::no;
  }
  if (errno == EAGAIN || errno == EBUSY) return OpenElsewhere::yes;
  const bool is_anothers = errno == EACCES;
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (sys().get_lock(fd, &lock) == 0 && lock.l_type != F_UNLCK) {
    return OpenElsewhere::yes;
  }
  // Without the lease our own descriptor would be found; the caller's table is not in /proc/PID/fd
  // of the leader when the run is isolated, so a hit there is somebody else, or a refusal too many.
  switch (found_in_proc(stat_of(fd, path))) {
    case Found::yes:
      return OpenElsewhere::yes;
    case Found::unknown:
      // The user's own file on a file system without leases: nobody else is to be expected.
      return is_anothers ? OpenElsewhere::unknown : OpenElsewhere::no;
    case Found::no:
      break;
  }
  return OpenElsewhere::no;
}

bool is_open_here(const FileStat& file) {
  constexpr const char* kTable = "/proc/thread-self/fd";
  // Not known: taking it for open is the safe side.
  return ::access(kTable, F_OK) != 0 || found_in_table(kTable, file) != Found::no;
}

}  // namespace sqlbk::platform
