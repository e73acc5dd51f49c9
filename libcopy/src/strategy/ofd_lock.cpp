#include "ofd_lock.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/locks.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk::copy {
namespace {

// 0, or the errno.
int set_lock(int fd, short type, std::uint64_t first_byte, std::uint64_t length_bytes) noexcept {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(first_byte);
  lock.l_len = static_cast<off_t>(length_bytes);
  int result = sys().set_lock(fd, &lock);
  while (result != 0 && errno == EINTR) result = sys().set_lock(fd, &lock);
  return result == 0 ? 0 : errno;
}

}  // namespace

OfdReadLock::OfdReadLock(const LiveFiles& files, SourceFile file, std::uint64_t first_byte,
                         std::uint64_t length_bytes)
    : fd_(files.fd_of(file)), first_byte_(first_byte), length_bytes_(length_bytes) {
  const int os_errno = set_lock(fd_, F_RDLCK, first_byte_, length_bytes_);
  if (os_errno == 0) return;
  const std::string path = files.path_of(file);
  if (os_errno != EAGAIN && os_errno != EACCES) throw system_error("lock", path, os_errno);
  // Locks of an open file conflict with those of our own process, too.
  const auto holder = conflicting_lock(fd_, first_byte_, length_bytes_, true, path);
  if (holder && holder->pid == ::getpid()) {
    throw Error(Errc::source_busy, "unable to lock " + quoted(path) +
                                       " for reading: a connection of this program writes to it")
        .with_path(path)
        .with_hint("let this program end its own write transaction before it copies");
  }
  throw Error(Errc::source_busy,
              "unable to lock " + quoted(path) + " for reading: a writer holds it")
      .with_path(path);
}

OfdReadLock::~OfdReadLock() {
  static_cast<void>(set_lock(fd_, F_UNLCK, first_byte_, length_bytes_));
}

void unlock_whole_file(int fd) noexcept {
  static_cast<void>(set_lock(fd, F_UNLCK, 0, 0));  // a length of 0 goes to the end
}

SharedLock::SharedLock(const LiveFiles& files)
    : range_([&files] {
        // Whoever holds PENDING is about to write and lets no new reader in.
        const OfdReadLock pending(files, SourceFile::main, kPendingByte, 1);
        return OfdReadLock(files, SourceFile::main, kCopySharedByte, 1);
      }()) {}

}  // namespace sqlbk::copy
