// Extended attributes, and whether anybody has a file open. Private to libcore.
#pragma once

#include <string>
#include <sys/types.h>

#include "sqlbk/core/io.hpp"

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

// Whether any process (this one included, but for `fd` itself) has the file open. Asks the kernel
// for a write lease (fcntl(2), F_SETLEASE), which it grants only to the sole opener; where leases
// are not to be had, looks for locks and through /proc. `unknown`: the file is another user's, and
// not every process could be looked into.
enum class OpenElsewhere { no, yes, unknown };
OpenElsewhere open_elsewhere(int fd, const std::string& path);

// Whether the calling thread's descriptor table has the file open.
bool is_open_here(const FileStat& file);

// A file system such as ramfs, which does not say how much room it has.
bool counts_no_blocks(int fd) noexcept;

}  // namespace sqlbk::platform
