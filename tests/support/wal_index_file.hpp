// Numbers in the header of an -shm file, as a test wants them. REQUIRES: this process has no SQLite
// connection to the database: closing the file would drop its locks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <unistd.h>

namespace sqlbk::test {

inline constexpr off_t kMxFrameOffset = 16;  // in the first of two copies
inline constexpr off_t kBackfillOffset = 96;
inline constexpr off_t kBackfillAttemptedOffset = 128;

inline std::uint32_t read_shm(const std::string& database, off_t offset) {
  const int fd = ::open((database + "-shm").c_str(), O_RDONLY | O_CLOEXEC);
  std::uint32_t value = 0;
  const bool is_good = fd >= 0 && ::pread(fd, &value, sizeof value, offset) == sizeof value;
  static_cast<void>(::close(fd));
  if (!is_good) throw std::runtime_error("cannot read the -shm of " + database);
  return value;
}

inline void write_shm(const std::string& database, off_t offset, std::uint32_t value) {
  const int fd = ::open((database + "-shm").c_str(), O_WRONLY | O_CLOEXEC);
  const bool is_good = fd >= 0 && ::pwrite(fd, &value, sizeof value, offset) == sizeof value;
  static_cast<void>(::close(fd));
  if (!is_good) throw std::runtime_error("cannot write the -shm of " + database);
}

}  // namespace sqlbk::test
