// A write beyond the limit of RLIMIT_FSIZE: an error and no signal. Private to libcore.
#pragma once

#include <csignal>

namespace sqlbk::platform {

// While it lives, SIGXFSZ, whose default ends the process, is blocked for this thread and for those
// that it starts meanwhile; the write fails with EFBIG all the same. The kernel sends the signal to
// the thread that writes, so what is pending at the end is of these writes, and is taken away.
// The disposition is the host's and stays as it is.
class FileSizeSignalBlocked {
 public:
  FileSizeSignalBlocked() noexcept;
  FileSizeSignalBlocked(const FileSizeSignalBlocked&) = delete;
  FileSizeSignalBlocked& operator=(const FileSizeSignalBlocked&) = delete;
  ~FileSizeSignalBlocked();

 private:
  bool is_ours_ = false;  // it was not blocked before
};

}  // namespace sqlbk::platform
