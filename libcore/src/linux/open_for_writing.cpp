#include "linux/open_for_writing.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>

namespace sqlbk::platform {

users::Told open_for_writing(int fd) noexcept {
  // A program that opens the file in that moment waits until the lease is given back, and a signal
  // is sent to us: by default SIGIO, which ends the process. SIGURG is ignored by default.
  if (::fcntl(fd, F_SETSIG, SIGURG) != 0) return users::Told::unknown;
  if (::fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
    static_cast<void>(::fcntl(fd, F_SETLEASE, F_UNLCK));
    return users::Told::no;
  }
  return errno == EAGAIN ? users::Told::yes : users::Told::unknown;
}

}  // namespace sqlbk::platform
