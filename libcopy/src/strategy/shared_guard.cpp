#include "shared_guard.hpp"

#include <cerrno>
#include <fcntl.h>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/locks.hpp"

namespace sqlbk::copy {
namespace {

int set_ofd_lock(int fd, short type, std::uint64_t start_byte, std::uint64_t length_bytes) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(start_byte);
  lock.l_len = static_cast<off_t>(length_bytes);
  int result = ::fcntl(fd, F_OFD_SETLK, &lock);
  while (result != 0 && errno == EINTR) result = ::fcntl(fd, F_OFD_SETLK, &lock);
  return result == 0 ? 0 : errno;
}

void require_lock(int os_errno, const LiveFiles& files) {
  if (os_errno == 0) return;
  if (os_errno == EAGAIN || os_errno == EACCES) {
    throw Error(Errc::source_busy,
                "unable to lock " + quoted(files.given_path()) + " for reading: a writer holds it")
        .with_path(files.given_path());
  }
  throw system_error("lock", files.given_path(), os_errno);
}

}  // namespace

SharedGuard::SharedGuard(const LiveFiles& files) : fd_(files.fd_of(SourceFile::main)) {
  require_lock(set_ofd_lock(fd_, F_RDLCK, kPendingByte, 1), files);
  const int result = set_ofd_lock(fd_, F_RDLCK, kSharedFirstByte, kSharedSizeBytes);
  static_cast<void>(set_ofd_lock(fd_, F_UNLCK, kPendingByte, 1));
  require_lock(result, files);
}

SharedGuard::~SharedGuard() {
  static_cast<void>(set_ofd_lock(fd_, F_UNLCK, kSharedFirstByte, kSharedSizeBytes));
}

}  // namespace sqlbk::copy
