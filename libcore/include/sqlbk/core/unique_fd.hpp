// A file descriptor that closes itself. Not for descriptors of a source: those belong to LiveFiles
// (live_files.hpp says why). Thread-safety: one thread at a time.
#pragma once

#include <utility>

namespace sqlbk {

class UniqueFd {
 public:
  UniqueFd() noexcept = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int release() noexcept { return std::exchange(fd_, -1); }
  // Closes and ignores the result: for error paths and read-only descriptors. Whoever has written
  // calls close_checked() in io.hpp, because close() may report an earlier failure.
  void reset() noexcept;

 private:
  int fd_ = -1;
};

}  // namespace sqlbk
