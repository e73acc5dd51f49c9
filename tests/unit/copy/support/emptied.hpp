// Another program that empties a file under a mover and fills it again.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <sys/stat.h>
#include <unistd.h>

#include "scoped_sys.hpp"

namespace sqlbk::copy {

// A file that is emptied before the `when`-th call that moves bytes of it, and as long as before,
// but of zeros, when that call has returned.
class EmptiedForAMoment {
 public:
  EmptiedForAMoment(int fd, std::uint64_t size, int when) {
    file_ = fd;
    size_ = size;
    calls_until_ = when;
    is_read_ = false;
    patch_->pread = [](int from, void* buffer, std::size_t length, off_t offset) {
      if (!is_file(from)) return ::pread(from, buffer, length, offset);
      is_read_ = true;
      const Moment moment;
      return ::pread(from, buffer, std::min<std::size_t>(length, kMostBytes), offset);
    };
    patch_->pwrite = [](int to, const void* buffer, std::size_t length, off_t offset) {
      if (is_read_) return ::pwrite(to, buffer, length, offset);
      const Moment moment;  // out of a mapping of the file
      return ::pwrite(to, buffer, std::min<std::size_t>(length, kMostBytes), offset);
    };
    patch_->copy_file_range = [](int in, off_t* in_offset, int out, off_t* out_offset,
                                 std::size_t length, unsigned flags) {
      const Moment moment;
      return ::copy_file_range(in, in_offset, out, out_offset,
                               std::min<std::size_t>(length, kMostBytes), flags);
    };
    patch_->ficlone = [](int out, int in) {
      const Moment moment;
      return real_sys().ficlone(out, in);
    };
  }

  bool has_been() const noexcept { return calls_until_ <= 0; }

 private:
  static constexpr std::size_t kMostBytes = std::size_t{1} << 20U;  // of a call

  struct Moment {
    Moment() : is_here(--calls_until_ == 0) {
      if (is_here) resize(0);
    }
    Moment(const Moment&) = delete;
    Moment& operator=(const Moment&) = delete;
    ~Moment() {
      if (is_here) resize(size_);
    }
    // errno is the call's.
    static void resize(std::uint64_t size) {
      const int os_errno = errno;
      if (::ftruncate(file_, static_cast<off_t>(size)) != 0) std::abort();
      errno = os_errno;
    }
    const bool is_here;
  };

  static bool is_file(int fd) {
    struct stat file {};
    struct stat other {};
    return ::fstat(file_, &file) == 0 && ::fstat(fd, &other) == 0 && file.st_dev == other.st_dev &&
           file.st_ino == other.st_ino;
  }

  inline static int file_;  // writable
  inline static std::uint64_t size_;
  inline static int calls_until_;
  inline static bool is_read_;
  test::ScopedSys patch_;
};

}  // namespace sqlbk::copy
