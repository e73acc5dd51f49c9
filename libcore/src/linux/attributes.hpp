// Who may do what with a file: extended attributes, access control lists and mode. Private to
// libcore.
#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>

namespace sqlbk::platform {

// Copies the extended attributes that this user may read and set; throws Error if one fails for
// another reason than permission or lack of support. True: the access control list is among them.
bool copy_extended_attributes(int from, const std::string& from_path, int to,
                              const std::string& to_path);

// Whether a file system, or its mount, refuses to change an attribute at all: EINVAL also where the
// user or group has no number in this user namespace, so that one with the same number in stat(2)
// may be another.
bool is_refused(int os_errno) noexcept;

// Takes away the access control list, such as a default one of the directory gives. False: there is
// one that could not be taken away.
bool remove_access_list(int fd, const std::string& path);

// Where the file system refuses it, or takes no notice of it, stat(2) tells what holds.
void set_mode(int fd, mode_t mode, const std::string& path);

// False: the file system refuses it.
bool set_times(int fd, std::int64_t atime_ns, std::int64_t mtime_ns, const std::string& path);

// The permission bits that give nobody more than a file with this mode and the access control list
// of `fd` does, once they are all that there is: the group bits beside a list are its mask, which
// may allow more than the owning group has, and a list may deny somebody what others have.
mode_t mode_without_acl(int fd, mode_t mode);

// The same where the file cannot be given to the group that the bits were meant for.
mode_t mode_for_another_group(mode_t mode) noexcept;

}  // namespace sqlbk::platform
