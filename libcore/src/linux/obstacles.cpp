#include "sqlbk/core/obstacles.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/filesystem.hpp>

#include "sqlbk/core/sys.hpp"

namespace sqlbk {
namespace {

// Some file systems do not count inodes and say 0 of 0.
bool has_no_inode_left(const std::string& directory) noexcept {
  struct statvfs info {};
  return ::statvfs(directory.c_str(), &info) == 0 && info.f_files != 0 && info.f_favail == 0;
}

std::optional<struct statx> look(const std::string& path) noexcept {
  struct statx info {};
  const int result = ::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
                             STATX_BASIC_STATS, &info);
  return result == 0 ? std::optional(info) : std::nullopt;
}

bool has_attribute(const struct statx& info, std::uint64_t attributes) noexcept {
  return (info.stx_attributes & info.stx_attributes_mask & attributes) != 0;
}

bool has_fowner_capability() noexcept {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) return true;
  return (data[CAP_TO_INDEX(CAP_FOWNER)].effective & CAP_TO_MASK(CAP_FOWNER)) != 0;
}

// check_sticky() in the kernel: in such a directory only owners take a name away.
bool is_kept_by_sticky_bit(const struct statx& file, const std::string& path) {
  const std::string parent = boost::filesystem::path(path).parent_path().string();
  struct stat directory {};
  if (::stat(parent.empty() ? "." : parent.c_str(), &directory) != 0) return false;
  const uid_t user = ::geteuid();
  return (directory.st_mode & S_ISVTX) != 0 && directory.st_uid != user && file.stx_uid != user &&
         !has_fowner_capability();
}

}  // namespace

int obstacle_to_making_files(const std::string& directory) noexcept {
  struct stat info {};
  if (sys().fstatat(AT_FDCWD, directory.c_str(), &info, 0) != 0) return errno;
  if (!S_ISDIR(info.st_mode)) return ENOTDIR;
  if (sys().faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) != 0) return errno;
  return has_no_inode_left(directory) ? ENOSPC : 0;
}

std::optional<Obstacle> obstacle_to_replacing(const std::string& path) {
  const std::optional<struct statx> file = look(path);
  if (!file) return std::nullopt;
  if (has_attribute(*file, STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) {
    return Obstacle{EPERM, "it is immutable or append-only, see lsattr(1)"};
  }
  if (has_attribute(*file, STATX_ATTR_MOUNT_ROOT)) {
    return Obstacle{EBUSY, "it is a mount point of its own"};
  }
  if (is_kept_by_sticky_bit(*file, path)) {
    return Obstacle{EPERM, "it belongs to another user, and its directory has the sticky bit"};
  }
  return std::nullopt;
}

}  // namespace sqlbk
