#include "sqlbk/core/unique_fd.hpp"

#include <unistd.h>

namespace sqlbk {

void UniqueFd::reset() noexcept {
  // No retry on EINTR: on Linux the descriptor is gone then, and its number may be another's.
  if (fd_ >= 0) static_cast<void>(::close(fd_));
  fd_ = -1;
}

}  // namespace sqlbk
