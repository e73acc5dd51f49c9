#include "sqlbk/core/io.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

#include "linux/write_back.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk {
namespace {

template <typename Call>
auto retry_interrupted(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

FileStat file_stat(const struct stat& raw) {
  return {.device = raw.st_dev,
          .inode = raw.st_ino,
          .size_bytes = static_cast<std::uint64_t>(raw.st_size),
          .mtime_ns = nanoseconds(raw.st_mtim),
          .ctime_ns = nanoseconds(raw.st_ctim),
          .atime_ns = nanoseconds(raw.st_atim),
          .mode = raw.st_mode,
          .uid = raw.st_uid,
          .gid = raw.st_gid,
          .links = raw.st_nlink,
          .allocated_bytes = static_cast<std::uint64_t>(raw.st_blocks) * 512};
}

}  // namespace

bool FileStat::is_regular() const noexcept {
  return S_ISREG(mode);
}
bool FileStat::is_directory() const noexcept {
  return S_ISDIR(mode);
}
bool FileStat::is_link() const noexcept {
  return S_ISLNK(mode);
}

UniqueFd open_at(int dir_fd, const std::string& name, int flags, mode_t mode,
                 const std::string& path) {
  const int fd = retry_interrupted(
      [&] { return sys().openat(dir_fd, name.c_str(), flags | O_CLOEXEC, mode); });
  if (fd < 0) throw system_error((flags & O_CREAT) != 0 ? "create" : "open", path, errno);
  return UniqueFd(fd);
}

FileStat stat_of(int fd, const std::string& path) {
  struct stat raw {};
  if (sys().fstat(fd, &raw) != 0) throw system_error("look at", path, errno);
  return file_stat(raw);
}

std::optional<FileStat> stat_at(int dir_fd, const std::string& name, int flags,
                                const std::string& path) {
  struct stat raw {};
  if (sys().fstatat(dir_fd, name.c_str(), &raw, flags) == 0) return file_stat(raw);
  if (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG) return std::nullopt;
  throw system_error("look at", path, errno);
}

std::optional<FileStat> stat_path(const std::string& path) {
  return stat_at(AT_FDCWD, path, 0, path);
}

std::size_t read_up_to(int fd, std::span<std::byte> buffer, std::uint64_t offset,
                       const std::string& path) {
  std::size_t done = 0;
  while (done < buffer.size()) {
    const ssize_t count = sys().pread(fd, buffer.data() + done, buffer.size() - done,
                                      static_cast<off_t>(offset + done));
    if (count > 0) {
      done += static_cast<std::size_t>(count);
    } else if (count == 0) {
      break;
    } else if (errno != EINTR) {
      throw system_error("read", path, errno);
    }
  }
  return done;
}

void write_all(int fd, std::span<const std::byte> bytes, std::uint64_t offset,
               const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t count = sys().pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(count));
      offset += static_cast<std::uint64_t>(count);
    } else if (count == 0) {
      throw system_error("write", path, EIO);
    } else if (errno != EINTR) {
      throw system_error("write", path, errno);
    }
  }
}

void truncate_to(int fd, std::uint64_t size_bytes, const std::string& path) {
  const int result =
      retry_interrupted([&] { return sys().ftruncate(fd, static_cast<off_t>(size_bytes)); });
  if (result != 0) throw system_error("set the size of", path, errno);
}

void sync_file(int fd, const std::string& path) {
  if (retry_interrupted([&] { return sys().fsync(fd); }) != 0) {
    throw system_error("sync", path, errno);
  }
}

void sync_in_pieces(int fd, const std::string& path) {
  const int error = platform::write_back(fd, stat_of(fd, path).size_bytes);
  if (error != 0) throw system_error("sync", path, error);
  sync_file(fd, path);
}

void close_checked(UniqueFd& fd, const std::string& path) {
  // EINTR: on Linux the descriptor is closed all the same, and no write failed.
  if (fd && sys().close(fd.release()) != 0 && errno != EINTR) {
    throw system_error("close", path, errno);
  }
}

}  // namespace sqlbk
