#include "linux/attributes.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <vector>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk::platform {
namespace {

bool may_be_skipped(int os_errno) {
  return os_errno == ENOTSUP || os_errno == EPERM || os_errno == EACCES || os_errno == ENODATA;
}

constexpr const char* kAccessList = "system.posix_acl_access";

}  // namespace

bool copy_extended_attributes(int from, const std::string& from_path, int to,
                              const std::string& to_path) {
  const ssize_t size = sys().flistxattr(from, nullptr, 0);
  if (size < 0) {
    if (may_be_skipped(errno)) return false;
    throw system_error("list the extended attributes of", from_path, errno);
  }
  std::vector<char> names(static_cast<std::size_t>(size));
  const ssize_t got = sys().flistxattr(from, names.data(), names.size());
  if (got < 0) throw system_error("list the extended attributes of", from_path, errno);
  bool has_access_list = false;
  for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
    const std::string name(names.data() + at);
    at += name.size() + 1;
    const ssize_t value_size = sys().fgetxattr(from, name.c_str(), nullptr, 0);
    if (value_size < 0 && may_be_skipped(errno)) continue;
    std::vector<char> value(value_size > 0 ? static_cast<std::size_t>(value_size) : 0);
    const ssize_t value_got =
        value_size < 0 ? -1 : sys().fgetxattr(from, name.c_str(), value.data(), value.size());
    if (value_got < 0) throw system_error("read an extended attribute of", from_path, errno);
    // EINVAL: a list names users who have no number in this user namespace.
    if (sys().fsetxattr(to, name.c_str(), value.data(), static_cast<std::size_t>(value_got), 0) ==
        0) {
      has_access_list = has_access_list || name == kAccessList;
    } else if (!may_be_skipped(errno) && !(errno == EINVAL && name.starts_with("system."))) {
      throw system_error("set an extended attribute of", to_path, errno);
    }
  }
  return has_access_list;
}

bool is_refused(int os_errno) noexcept {
  return os_errno == EPERM || os_errno == EACCES || os_errno == EINVAL || os_errno == EOPNOTSUPP ||
         os_errno == ENOSYS;
}

bool remove_access_list(int fd, const std::string& path) {
  if (sys().fremovexattr(fd, kAccessList) == 0 || errno == ENODATA || errno == ENOTSUP) return true;
  if (!is_refused(errno)) throw system_error("remove the access control list of", path, errno);
  return sys().fgetxattr(fd, kAccessList, nullptr, 0) < 0;
}

void set_mode(int fd, mode_t mode, const std::string& path) {
  if (sys().fchmod(fd, mode) == 0 || is_refused(errno)) return;
  throw system_error("set the permissions of", path, errno);
}

bool set_times(int fd, std::int64_t atime_ns, std::int64_t mtime_ns, const std::string& path) {
  const auto time = [](std::int64_t ns) {
    return timespec{.tv_sec = static_cast<time_t>(ns / 1'000'000'000),
                    .tv_nsec = static_cast<long>(ns % 1'000'000'000)};
  };
  const std::array times{time(atime_ns), time(mtime_ns)};
  if (sys().futimens(fd, times.data()) == 0) return true;
  if (!is_refused(errno)) throw system_error("set the times of", path, errno);
  return false;
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
  const ssize_t size = sys().fgetxattr(fd, kAccessList, list.data(), list.size());
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

}  // namespace sqlbk::platform
