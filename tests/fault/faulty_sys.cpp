#include "faulty_sys.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <initializer_list>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sqlbk::test {
namespace {

std::string_view wanted_call;
Fault wanted_fault{};
unsigned wanted_nth = 0;
std::atomic<unsigned> calls{0};

// True: this is the call.
bool strikes(std::string_view call) noexcept {
  if (call != wanted_call || ++calls != wanted_nth) return false;
  if (wanted_fault == Fault::killed) ::_exit(137);
  return true;
}

int errno_of_fault() noexcept {
  switch (wanted_fault) {
    case Fault::no_space:
      return ENOSPC;
    case Fault::interrupted:
      return EINTR;
    case Fault::io_error:
    case Fault::short_count:
    case Fault::killed:
      break;
  }
  return EIO;
}

// A call that fails before it does anything.
template <typename Call>
auto run(std::string_view name, Call call) -> decltype(call()) {
  if (!strikes(name)) return call();
  errno = errno_of_fault();
  return -1;
}

// A call that transfers bytes, and may transfer fewer.
template <typename Call>
ssize_t transfer(std::string_view name, std::size_t size, Call call) {
  if (!strikes(name)) return call(size);
  if (wanted_fault == Fault::short_count) return call(size > 1 ? size / 2 : size);
  errno = errno_of_fault();
  return -1;
}

}  // namespace

std::string_view to_string(Fault fault) noexcept {
  switch (fault) {
    case Fault::no_space:
      return "ENOSPC";
    case Fault::io_error:
      return "EIO";
    case Fault::interrupted:
      return "EINTR";
    case Fault::short_count:
      return "short";
    case Fault::killed:
      return "killed";
  }
  return "";
}

bool may_suffer(std::string_view call, Fault fault) noexcept {
  const auto is_one_of = [call](std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, call) != names.end();
  };
  switch (fault) {
    case Fault::no_space:
      return is_one_of({"openat", "pwrite", "copy_file_range", "ftruncate", "fsync",
                        "sync_file_range", "mkdirat", "renameat2", "linkat", "fsetxattr", "fchown",
                        "close"});
    case Fault::interrupted:
      return is_one_of({"openat", "pread", "pwrite", "copy_file_range", "ftruncate", "fsync",
                        "sync_file_range", "flock", "fstatfs", "fstatvfs", "set_lock", "getrandom",
                        "close"});
    case Fault::short_count:
      return is_one_of({"pread", "pwrite", "copy_file_range", "getrandom"});
    case Fault::io_error:
    case Fault::killed:
      return true;
  }
  return true;
}

FaultySys::FaultySys(std::string_view call, unsigned nth, Fault fault) : table_(real_sys()) {
  wanted_call = call;
  wanted_nth = nth;
  wanted_fault = fault;
  calls = 0;
  table_.openat = [](int dir, const char* path, int flags, mode_t mode) {
    return run("openat", [&] { return real_sys().openat(dir, path, flags, mode); });
  };
  table_.fstat = [](int fd, struct stat* out) {
    return run("fstat", [&] { return real_sys().fstat(fd, out); });
  };
  table_.fstatat = [](int dir, const char* path, struct stat* out, int flags) {
    return run("fstatat", [&] { return real_sys().fstatat(dir, path, out, flags); });
  };
  table_.lseek = [](int fd, off_t offset, int whence) -> off_t {
    return run("lseek", [&] { return real_sys().lseek(fd, offset, whence); });
  };
  table_.faccessat = [](int dir, const char* path, int mode, int flags) {
    return run("faccessat", [&] { return real_sys().faccessat(dir, path, mode, flags); });
  };
  table_.pread = [](int fd, void* buffer, std::size_t size, off_t offset) {
    return transfer("pread", size,
                    [&](std::size_t n) { return real_sys().pread(fd, buffer, n, offset); });
  };
  table_.pwrite = [](int fd, const void* buffer, std::size_t size, off_t offset) {
    return transfer("pwrite", size,
                    [&](std::size_t n) { return real_sys().pwrite(fd, buffer, n, offset); });
  };
  table_.copy_file_range = [](int in, off_t* in_offset, int out, off_t* out_offset,
                              std::size_t size, unsigned flags) {
    return transfer("copy_file_range", size, [&](std::size_t n) {
      return real_sys().copy_file_range(in, in_offset, out, out_offset, n, flags);
    });
  };
  table_.ficlone = [](int out, int in) {
    return run("ficlone", [&] { return real_sys().ficlone(out, in); });
  };
  table_.ficlonerange = [](int out, int in, off_t in_offset, off_t length, off_t out_offset) {
    return run("ficlonerange",
               [&] { return real_sys().ficlonerange(out, in, in_offset, length, out_offset); });
  };
  table_.ftruncate = [](int fd, off_t size) {
    return run("ftruncate", [&] { return real_sys().ftruncate(fd, size); });
  };
  table_.fsync = [](int fd) { return run("fsync", [&] { return real_sys().fsync(fd); }); };
  table_.sync_file_range = [](int fd, off_t offset, off_t size, unsigned flags) {
    return run("sync_file_range",
               [&] { return real_sys().sync_file_range(fd, offset, size, flags); });
  };
  table_.fchmod = [](int fd, mode_t mode) {
    return run("fchmod", [&] { return real_sys().fchmod(fd, mode); });
  };
  table_.fchown = [](int fd, uid_t uid, gid_t gid) {
    return run("fchown", [&] { return real_sys().fchown(fd, uid, gid); });
  };
  table_.futimens = [](int fd, const struct timespec* times) {
    return run("futimens", [&] { return real_sys().futimens(fd, times); });
  };
  table_.flistxattr = [](int fd, char* names, std::size_t size) {
    return run("flistxattr", [&] { return real_sys().flistxattr(fd, names, size); });
  };
  table_.fgetxattr = [](int fd, const char* name, void* value, std::size_t size) {
    return run("fgetxattr", [&] { return real_sys().fgetxattr(fd, name, value, size); });
  };
  table_.fsetxattr = [](int fd, const char* name, const void* value, std::size_t size, int flags) {
    return run("fsetxattr", [&] { return real_sys().fsetxattr(fd, name, value, size, flags); });
  };
  table_.fremovexattr = [](int fd, const char* name) {
    return run("fremovexattr", [&] { return real_sys().fremovexattr(fd, name); });
  };
  table_.fstatfs = [](int fd, struct statfs* out) {
    return run("fstatfs", [&] { return real_sys().fstatfs(fd, out); });
  };
  table_.fstatvfs = [](int fd, struct statvfs* out) {
    return run("fstatvfs", [&] { return real_sys().fstatvfs(fd, out); });
  };
  table_.readlinkat = [](int dir, const char* path, char* buffer, std::size_t size) {
    return run("readlinkat", [&] { return real_sys().readlinkat(dir, path, buffer, size); });
  };
  table_.mmap = [](void* address, std::size_t size, int protection, int flags, int fd,
                   off_t offset) {
    if (!strikes("mmap")) return real_sys().mmap(address, size, protection, flags, fd, offset);
    errno = errno_of_fault();
    return MAP_FAILED;
  };
  table_.get_lock = [](int fd, struct flock* lock) {
    return run("get_lock", [&] { return real_sys().get_lock(fd, lock); });
  };
  table_.set_lock = [](int fd, const struct flock* lock) {
    return run("set_lock", [&] { return real_sys().set_lock(fd, lock); });
  };
  table_.set_lease = [](int fd, int type) {
    return run("set_lease", [&] { return real_sys().set_lease(fd, type); });
  };
  table_.duplicate = [](int fd) {
    return run("duplicate", [&] { return real_sys().duplicate(fd); });
  };
  table_.getrandom = [](void* buffer, std::size_t size, unsigned flags) {
    return transfer("getrandom", size,
                    [&](std::size_t n) { return real_sys().getrandom(buffer, n, flags); });
  };
  table_.flock = [](int fd, int operation) {
    return run("flock", [&] { return real_sys().flock(fd, operation); });
  };
  table_.mkdirat = [](int dir, const char* path, mode_t mode) {
    return run("mkdirat", [&] { return real_sys().mkdirat(dir, path, mode); });
  };
  table_.unlinkat = [](int dir, const char* path, int flags) {
    return run("unlinkat", [&] { return real_sys().unlinkat(dir, path, flags); });
  };
  table_.renameat2 = [](int from_dir, const char* from, int to_dir, const char* to,
                        unsigned flags) {
    return run("renameat2",
               [&] { return real_sys().renameat2(from_dir, from, to_dir, to, flags); });
  };
  table_.linkat = [](int from_dir, const char* from, int to_dir, const char* to, int flags) {
    return run("linkat", [&] { return real_sys().linkat(from_dir, from, to_dir, to, flags); });
  };
  // The descriptor is gone whatever close(2) says.
  table_.close = [](int fd) {
    const bool fails = strikes("close");
    const int result = real_sys().close(fd);
    if (!fails) return result;
    errno = errno_of_fault();
    return -1;
  };
  install_sys(&table_);
}

FaultySys::~FaultySys() {
  install_sys(nullptr);
}

bool FaultySys::has_struck() noexcept {
  return calls >= wanted_nth;
}

}  // namespace sqlbk::test
