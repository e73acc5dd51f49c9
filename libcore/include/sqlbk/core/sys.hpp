// The system calls through which sqlbk reads, writes and publishes, in one table, so that a test
// can make the N-th one fail (the same idea as aSyscall[] in SQLite's os_unix.c).
// Thread-safety: install_sys() before any other use; the table itself is constant.
#pragma once

#include <cstddef>
#include <sys/types.h>

struct stat;

namespace sqlbk {

struct Sys {
  int (*openat)(int dir_fd, const char* path, int flags, mode_t mode);
  int (*fstat)(int fd, struct stat* out);
  int (*fstatat)(int dir_fd, const char* path, struct stat* out, int flags);
  off_t (*lseek)(int fd, off_t offset, int whence);
  int (*faccessat)(int dir_fd, const char* path, int mode, int flags);
  ssize_t (*pread)(int fd, void* buffer, std::size_t size, off_t offset);
  ssize_t (*pwrite)(int fd, const void* buffer, std::size_t size, off_t offset);
  ssize_t (*copy_file_range)(int in, off_t* in_offset, int out, off_t* out_offset, std::size_t size,
                             unsigned flags);
  int (*ficlone)(int out, int in);
  int (*ficlonerange)(int out, int in, off_t in_offset, off_t length, off_t out_offset);
  int (*ftruncate)(int fd, off_t size);
  int (*fsync)(int fd);
  int (*sync_file_range)(int fd, off_t offset, off_t size, unsigned flags);
  int (*fchmod)(int fd, mode_t mode);
  int (*flock)(int fd, int operation);
  int (*mkdirat)(int dir_fd, const char* path, mode_t mode);
  int (*unlinkat)(int dir_fd, const char* path, int flags);
  int (*renameat2)(int from_dir, const char* from, int to_dir, const char* to, unsigned flags);
  int (*linkat)(int from_dir, const char* from, int to_dir, const char* to, int flags);
  int (*close)(int fd);
};

// The table in use: the system's own, unless a test installed another.
const Sys& sys() noexcept;
const Sys& real_sys() noexcept;

// For tests. `table` must outlive its use; nullptr restores the system's own.
void install_sys(const Sys* table) noexcept;

}  // namespace sqlbk
