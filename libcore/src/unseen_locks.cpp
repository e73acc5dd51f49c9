#include "sqlbk/core/unseen_locks.hpp"

#include <cerrno>
#include <sys/file.h>
#include <unistd.h>

#include "linux/process_files.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/file_system.hpp"
#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/sys.hpp"
#include "users/lock_file.hpp"

namespace sqlbk {
namespace {

bool is_held_exclusively(int fd) {
  int result = sys().flock(fd, LOCK_SH | LOCK_NB);
  while (result != 0 && errno == EINTR) result = sys().flock(fd, LOCK_SH | LOCK_NB);
  if (result != 0) return errno == EWOULDBLOCK;
  static_cast<void>(sys().flock(fd, LOCK_UN));
  return false;
}

// Inherited, as from flock(1): it is held for the time of the copy.
bool is_own(const LiveFiles& files) {
  const auto self = platform::process_of(::getpid(), platform::wanted_files(files));
  return self && !self->flocks.empty();
}

std::optional<FileStat> lock_file_of(const LiveFiles& files) try {
  return files.stat_beside(users::kLockFileSuffix);
} catch (const Error&) {
  return std::nullopt;  // it cannot be seen, at no time
}

}  // namespace

bool UnseenLocks::is_same(const UnseenLocks& other) const noexcept {
  if (is_flocked != other.is_flocked) return false;
  if (lock_file.has_value() != other.lock_file.has_value()) return false;
  return !lock_file || (lock_file->same_file(*other.lock_file) &&
                        lock_file->ctime_ns == other.lock_file->ctime_ns);
}

UnseenLocks read_unseen_locks(const LiveFiles& files) {
  UnseenLocks locks{.is_flocked = false, .lock_file = lock_file_of(files)};
  const int fd = files.fd_of(SourceFile::main);
  if (!is_this_kernels(file_system_of(fd, files.main_path()).kind)) return locks;
  locks.is_flocked = is_held_exclusively(fd) && !is_own(files);
  return locks;
}

void UnseenLockLog::begin(const UnseenLocks& locks) {
  first_ = locks;
  is_constant_ = true;
}

void UnseenLockLog::note(const UnseenLocks& locks) {
  if (!first_) first_ = locks;
  is_constant_ = is_constant_ && first_->is_same(locks);
}

}  // namespace sqlbk
