// What would be in the way of making or replacing a file, as far as that can be known without doing
// it: for plans, and for refusals before any work is done. Thread-safety: pure system calls.
// Failure: none; what cannot be found out is taken for possible.
#pragma once

#include <optional>
#include <string>

namespace sqlbk {

// The errno with which making a file in `directory` would fail by the rights of the effective user,
// the state of the file system, or its lack of inodes; 0: nothing is known to be in the way.
int obstacle_to_making_files(const std::string& directory) noexcept;

struct Obstacle {
  int os_errno;
  std::string reason;  // "it is immutable or append-only, see lsattr(1)"
};
// To renaming another file over `path`, or `path` away, in a directory where files can be made;
// nullopt: nothing is known to be, or there is no such file.
std::optional<Obstacle> obstacle_to_replacing(const std::string& path);

}  // namespace sqlbk
