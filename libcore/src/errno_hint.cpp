#include "sqlbk/core/errno_hint.hpp"

#include <cerrno>

namespace sqlbk {

void hint_at_errno(Error& error) {
  switch (error.os_errno()) {
    case EFBIG:
      error.with_hint(
          "raise the limit on the size of files (ulimit -f, or that of the service), or choose a "
          "directory on a file system that takes larger ones");
      break;
    case EDQUOT:
      error.with_hint(
          "remove files of this user there, have the quota raised, or choose a directory on "
          "another file system");
      break;
    case EROFS:
      error.with_hint("choose a directory on a file system that is mounted for writing");
      break;
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EISDIR:
      error.with_hint("check the path");
      break;
    default:
      break;
  }
}

}  // namespace sqlbk
