#include "free_name.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <optional>
#include <unistd.h>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk {
namespace {

int rename_entry(const DirectoryEntry& from, const DirectoryEntry& to, unsigned flags) {
  return sys().renameat2(from.directory, from.name.c_str(), to.directory, to.name.c_str(), flags);
}

int link_entry(const DirectoryEntry& from, const DirectoryEntry& to) {
  return sys().linkat(from.directory, from.name.c_str(), to.directory, to.name.c_str(), 0);
}

int remove_entry(const DirectoryEntry& entry) {
  return sys().unlinkat(entry.directory, entry.name.c_str(), 0);
}

bool lacks_the_flag(int os_errno) {
  return os_errno == EINVAL || os_errno == ENOSYS || os_errno == EOPNOTSUPP;
}

// EMLINK: one link for each file is the most.
bool lacks_links(int os_errno) {
  return os_errno == EPERM || os_errno == EMLINK || lacks_the_flag(os_errno);
}

Error publish_error(const std::string& path, int os_errno) {
  if (os_errno != EEXIST) return system_error("publish", path, os_errno);
  return Error(Errc::destination_exists,
               "unable to copy to " + quoted(path) + ": it was made while the copy was under way")
      .with_path(path);
}

Error unusable(const std::string& path, int os_errno) {
  return Error(Errc::destination_unusable,
               "unable to publish " + quoted(path) +
                   ": its file system can neither rename files nor make hard links")
      .with_path(path)
      .with_errno(os_errno);
}

bool is_still(const DirectoryEntry& entry, const FileStat& empty) {
  const std::optional<FileStat> now =
      stat_at(entry.directory, entry.name, AT_SYMLINK_NOFOLLOW, entry.path);
  return now && now->same_file(empty) && now->size_bytes == 0;
}

// Of ours, and nothing was written to it.
void remove_if_still(const DirectoryEntry& entry, const FileStat& empty) noexcept {
  try {
    if (is_still(entry, empty)) static_cast<void>(remove_entry(entry));
  } catch (const std::exception&) {
    return;
  }
}

void replace_empty_file(const DirectoryEntry& from, const DirectoryEntry& to) {
  const UniqueFd fd(sys().openat(to.directory, to.name.c_str(),
                                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) throw publish_error(to.path, errno);
  const FileStat empty = stat_of(fd.get(), to.path);
  if (!is_still(to, empty)) throw publish_error(to.path, EEXIST);
  if (rename_entry(from, to, 0) == 0) return;
  const int os_errno = errno;
  remove_if_still(to, empty);
  throw lacks_the_flag(os_errno) ? unusable(to.path, os_errno) : publish_error(to.path, os_errno);
}

}  // namespace

NameTaken move_to_free_name(const DirectoryEntry& from, const DirectoryEntry& to) {
  if (rename_entry(from, to, RENAME_NOREPLACE) == 0) return NameTaken::exclusively;
  if (!lacks_the_flag(errno)) throw publish_error(to.path, errno);
  if (link_entry(from, to) != 0) {
    if (!lacks_links(errno)) throw publish_error(to.path, errno);
    replace_empty_file(from, to);
    return NameTaken::by_empty_file;
  }
  if (remove_entry(from) != 0) {
    const int os_errno = errno;
    static_cast<void>(remove_entry(to));
    throw system_error("remove", from.path, os_errno);
  }
  return NameTaken::exclusively;
}

}  // namespace sqlbk
