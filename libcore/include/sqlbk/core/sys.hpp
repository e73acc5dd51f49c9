// The system calls by which sqlbk reads, locks, writes and publishes, in one table, so that a test
// can make the N-th one fail (the same idea as aSyscall[] in SQLite's os_unix.c). What fails for no
// reason of the outside world, or only makes something unseen (/proc), is not in it: the list is
// that of tests/cli/sys_test.py.
// Thread-safety: install_sys() before any other use; the table itself is constant.
#pragma once

#include <cstddef>
#include <sys/types.h>

struct flock;
struct stat;
struct statfs;
struct statvfs;
struct timespec;

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
  int (*fchown)(int fd, uid_t uid, gid_t gid);
  int (*futimens)(int fd, const struct timespec times[2]);
  ssize_t (*flistxattr)(int fd, char* names, std::size_t size);
  ssize_t (*fgetxattr)(int fd, const char* name, void* value, std::size_t size);
  int (*fsetxattr)(int fd, const char* name, const void* value, std::size_t size, int flags);
  int (*fremovexattr)(int fd, const char* name);
  int (*fstatfs)(int fd, struct statfs* out);
  int (*fstatvfs)(int fd, struct statvfs* out);
  ssize_t (*readlinkat)(int dir_fd, const char* path, char* buffer, std::size_t size);
  void* (*mmap)(void* address, std::size_t size, int protection, int flags, int fd, off_t offset);
  // fcntl(2) with F_OFD_GETLK, F_OFD_SETLK, F_SETLEASE and F_DUPFD_CLOEXEC.
  int (*get_lock)(int fd, struct flock* lock);
  int (*set_lock)(int fd, const struct flock* lock);
  int (*set_lease)(int fd, int type);
  int (*duplicate)(int fd);
  int (*flock)(int fd, int operation);
  int (*mkdirat)(int dir_fd, const char* path, mode_t mode);
  int (*unlinkat)(int dir_fd, const char* path, int flags);
  int (*renameat2)(int from_dir, const char* from, int to_dir, const char* to, unsigned flags);
  int (*linkat)(int from_dir, const char* from, int to_dir, const char* to, int flags);
  ssize_t (*getrandom)(void* buffer, std::size_t size, unsigned flags);
  int (*close)(int fd);
};

// The table in use: the system's own, unless a test installed another.
const Sys& sys() noexcept;
const Sys& real_sys() noexcept;

// For tests. `table` must outlive its use; nullptr restores the system's own.
void install_sys(const Sys* table) noexcept;

}  // namespace sqlbk
