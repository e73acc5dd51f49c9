// Who may do what with a file: extended attributes, access control lists and mode. Private to
// libcore.
#pragma once

#include <string>
#include <sys/types.h>

namespace sqlbk::platform {

// Copies the extended attributes that this user may read and set; throws Error if one fails for
// another reason than permission or lack of support. True: the access control list is among them.
bool copy_extended_attributes(int from, const std::string& from_path, int to,
                              const std::string& to_path);

// Takes away the access control list, such as a default one of the directory gives.
void remove_access_list(int fd, const std::string& path);

// The permission bits that give nobody more than a file with this mode and the access control list
// of `fd` does, once they are all that there is: the group bits beside a list are its mask, which
// may allow more than the owning group has, and a list may deny somebody what others have.
mode_t mode_without_acl(int fd, mode_t mode);

// The same where the file cannot be given to the group that the bits were meant for.
mode_t mode_for_another_group(mode_t mode) noexcept;

}  // namespace sqlbk::platform
