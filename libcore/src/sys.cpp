#include "sqlbk/core/sys.hpp"

#include <atomic>
#include <cstdio>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "linux/clone.hpp"

namespace sqlbk {
namespace {

constexpr Sys kRealSys{
    .openat = [](int dir_fd, const char* path, int flags,
                 mode_t mode) { return ::openat(dir_fd, path, flags, mode); },
    .fstat = ::fstat,
    .fstatat = ::fstatat,
    .lseek = ::lseek,
    .faccessat = ::faccessat,
    .pread = ::pread,
    .pwrite = ::pwrite,
    .copy_file_range = ::copy_file_range,
    .ficlone = platform::clone_file,
    .ficlonerange = platform::clone_range,
    .ftruncate = ::ftruncate,
    .fsync = ::fsync,
    .sync_file_range = ::sync_file_range,
    .fchmod = ::fchmod,
    .fchown = ::fchown,
    .futimens = ::futimens,
    .flistxattr = ::flistxattr,
    .fgetxattr = ::fgetxattr,
    .fsetxattr = ::fsetxattr,
    .fremovexattr = ::fremovexattr,
    .fstatfs = ::fstatfs,
    .fstatvfs = ::fstatvfs,
    .readlinkat = ::readlinkat,
    .mmap = ::mmap,
    .get_lock = [](int fd, struct flock* lock) { return ::fcntl(fd, F_OFD_GETLK, lock); },
    .set_lock = [](int fd, const struct flock* lock) { return ::fcntl(fd, F_OFD_SETLK, lock); },
    .set_lease = [](int fd, int type) { return ::fcntl(fd, F_SETLEASE, type); },
    .duplicate = [](int fd) { return ::fcntl(fd, F_DUPFD_CLOEXEC, 0); },
    .flock = ::flock,
    .mkdirat = ::mkdirat,
    .unlinkat = ::unlinkat,
    .renameat2 = ::renameat2,
    .linkat = ::linkat,
    .getrandom = ::getrandom,
    .close = ::close,
};

std::atomic<const Sys*> installed{&kRealSys};

}  // namespace

const Sys& sys() noexcept {
  return *installed.load(std::memory_order_acquire);
}
const Sys& real_sys() noexcept {
  return kRealSys;
}
void install_sys(const Sys* table) noexcept {
  installed.store(table != nullptr ? table : &kRealSys, std::memory_order_release);
}

}  // namespace sqlbk
