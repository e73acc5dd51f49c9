#include "linux/file_size_signal.hpp"

#include <ctime>
#include <pthread.h>

namespace sqlbk::platform {
namespace {

sigset_t file_size_signal() noexcept {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGXFSZ);
  return set;
}

}  // namespace

FileSizeSignalBlocked::FileSizeSignalBlocked() noexcept {
  const sigset_t set = file_size_signal();
  sigset_t before;
  is_ours_ = ::pthread_sigmask(SIG_BLOCK, &set, &before) == 0 && sigismember(&before, SIGXFSZ) == 0;
}

FileSizeSignalBlocked::~FileSizeSignalBlocked() {
  if (!is_ours_) return;
  const sigset_t set = file_size_signal();
  constexpr timespec kNow{};
  while (::sigtimedwait(&set, nullptr, &kNow) == SIGXFSZ) {
  }
  static_cast<void>(::pthread_sigmask(SIG_UNBLOCK, &set, nullptr));
}

}  // namespace sqlbk::platform
