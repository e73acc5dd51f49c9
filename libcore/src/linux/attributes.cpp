#include "linux/attributes.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

#include <boost/filesystem.hpp>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"

namespace sqlbk::platform {
namespace {

namespace fs = boost::filesystem;

bool may_be_skipped(int os_errno) {
  return os_errno == ENOTSUP || os_errno == EPERM || os_errno == EACCES || os_errno == ENODATA;
}

constexpr const char* kAccessList = "system.posix_acl_access";

enum class Found { no, yes, unknown };

// `unknown`: this user may not look into that table.
Found found_in_table(const std::string& path, const FileStat& wanted) {
  boost::system::error_code code;
  for (fs::directory_iterator fd(path, code), end; !code && fd != end; fd.increment(code)) {
    struct stat raw {};
    if (::stat(fd->path().c_str(), &raw) == 0 && raw.st_dev == wanted.device &&
        raw.st_ino == wanted.inode) {
      return Found::yes;
    }
  }
  return code == boost::system::errc::permission_denied ? Found::unknown : Found::no;
}

Found found_in_proc(const FileStat& wanted) {
  // Every system has a process 1; where it is not shown (hidepid), others are not either.
  Found found = ::access("/proc/1", F_OK) == 0 ? Found::no : Found::unknown;
  boost::system::error_code code;
  for (fs::directory_iterator process("/proc", code), end; !code && process != end;
       process.increment(code)) {
    if (process->path().filename().string().find_first_not_of("0123456789") != std::string::npos) {
      continue;
    }
    const Found here = found_in_table((process->path() / "fd").string(), wanted);
    if (here == Found::yes) return here;
    if (here == Found::unknown) found = here;
  }
  return found;
}

}  // namespace

bool copy_extended_attributes(int from, const std::string& from_path, int to,
                              const std::string& to_path) {
  const ssize_t size = ::flistxattr(from, nullptr, 0);
  if (size < 0) {
    if (may_be_skipped(errno)) return false;
    throw system_error("list the extended attributes of", from_path, errno);
  }
  std::vector<char> names(static_cast<std::size_t>(size));
  const ssize_t got = ::flistxattr(from, names.data(), names.size());
  if (got < 0) throw system_error("list the extended attributes of", from_path, errno);
  bool has_access_list = false;
  for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
    const std::string name(names.data() + at);
    at += name.size() + 1;
    const ssize_t value_size = ::fgetxattr(from, name.c_str(), nullptr, 0);
    if (value_size < 0 && may_be_skipped(errno)) continue;
    std::vector<char> value(value_size > 0 ? static_cast<std::size_t>(value_size) : 0);
    const ssize_t value_got =
        value_size < 0 ? -1 : ::fgetxattr(from, name.c_str(), value.data(), value.size());
    if (value_got < 0) throw system_error("read an extended attribute of", from_path, errno);
    if (::fsetxattr(to, name.c_str(), value.data(), static_cast<std::size_t>(value_got), 0) == 0) {
      has_access_list = has_access_list || name == kAccessList;
    } else if (!may_be_skipped(errno)) {
      throw system_error("set an extended attribute of", to_path, errno);
    }
  }
  return has_access_list;
}

void remove_access_list(int fd, const std::string& path) {
  if (::fremovexattr(fd, kAccessList) == 0 || errno == ENODATA || errno == ENOTSUP) return;
  throw system_error("remove the access control list of", path, errno);
}

mode_t mode_without_acl(int fd, mode_t mode) {
  // linux/posix_acl_xattr.h: a 32-bit version, then entries of tag (16 bits), permissions (16), id
  // (32), little-endian.
  constexpr std::size_t kHeaderSize = 4;
  constexpr std::size_t kEntrySize = 8;
  constexpr std::uint8_t kNamedUserTag = 0x02;
  constexpr std::uint8_t kOwningGroupTag = 0x04;
  constexpr std::uint8_t kNamedGroupTag = 0x08;
  constexpr mode_t kOwnerOnly = 0700;
  std::array<std::uint8_t, 4096> list{};
  const ssize_t size = ::fgetxattr(fd, kAccessList, list.data(), list.size());
  if (size < 0) return errno == ENODATA || errno == ENOTSUP ? mode : mode & kOwnerOnly;
  const mode_t mask = mode >> 3U & 7U;
  mode_t group = mask;
  mode_t other = mode & 7U;
  for (std::size_t at = kHeaderSize; at + kEntrySize <= static_cast<std::size_t>(size);
       at += kEntrySize) {
    const mode_t allowed = list[at + 2] & mask;
    const std::uint8_t tag = list[at + 1] == 0 ? list[at] : 0;
    // Whoever is named may be of the owning group or, without the list, one of the others.
    if (tag == kOwningGroupTag || tag == kNamedUserTag) group &= allowed;
    if (tag == kNamedGroupTag || tag == kNamedUserTag) other &= allowed;
  }
  return (mode & kOwnerOnly) | group << 3U | other;
}

mode_t mode_for_another_group(mode_t mode) noexcept {
  // Who was of the group is one of the others now, and the other way round.
  const mode_t both = mode >> 3U & mode & 7U;
  return (mode & 0700U) | both << 3U | both;
}

OpenElsewhere open_elsewhere(int fd, const std::string& path) {
  // Whoever opens the file in the moment of the lease has a signal sent to us: by default SIGIO,
  // which ends the process. SIGURG is ignored unless somebody wants it.
  static_cast<void>(::fcntl(fd, F_SETSIG, SIGURG));
  if (::fcntl(fd, F_SETLEASE, F_WRLCK) == 0) {
    static_cast<void>(::fcntl(fd, F_SETLEASE, F_UNLCK));
    return OpenElsewhere::no;
  }
  if (errno == EAGAIN || errno == EBUSY) return OpenElsewhere::yes;
  const bool is_anothers = errno == EACCES;
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
    return OpenElsewhere::yes;
  }
  // Without the lease our own descriptor would be found; the caller's table is not in /proc/PID/fd
  // of the leader when the run is isolated, so a hit there is somebody else, or a refusal too many.
  switch (found_in_proc(stat_of(fd, path))) {
    case Found::yes:
      return OpenElsewhere::yes;
    case Found::unknown:
      // The user's own file on a file system without leases: nobody else is to be expected.
      return is_anothers ? OpenElsewhere::unknown : OpenElsewhere::no;
    case Found::no:
      break;
  }
  return OpenElsewhere::no;
}

bool is_open_here(const FileStat& file) {
  constexpr const char* kTable = "/proc/thread-self/fd";
  // Not known: taking it for open is the safe side.
  return ::access(kTable, F_OK) != 0 || found_in_table(kTable, file) != Found::no;
}

bool counts_no_blocks(int fd) noexcept {
  struct statvfs info {};
  return ::fstatvfs(fd, &info) == 0 && info.f_blocks == 0;
}

}  // namespace sqlbk::platform
