// Where a source lies: its directory, by descriptor, and its name in there.
//
// A path is followed as the kernel follows it. SQLite keeps the sidecars beside the file to which
// the links of the last part lead, so these are read one by one; the links of /proc (PID/root,
// PID/cwd, PID/fd/N) say nothing that could be read: their text is that of another mount namespace,
// or of a file that has no name any more.
#pragma once

#include <string>

#include "sqlbk/core/unique_fd.hpp"

namespace sqlbk::platform {

struct SourcePlace {
  UniqueFd directory;  // O_PATH
  std::string name;    // of main, in there; no link when it was found
  // By which the kernel finds `directory`: without links where such a path is known, else with
  // those of /proc that were given.
  std::string directory_path;
  bool is_canonical = false;  // directory_path has no links

  std::string path() const;  // of main
  // The path of the directory leads to it. Where it goes through /proc and leads nowhere any more,
  // a process has ended, and the directory may be the right one all the same.
  bool is_current() const;
};

// Throws source_missing, permission_denied, not_a_database for what is no regular file, or
// unsupported_database for a file without a name. `given`: the source's name in their messages.
SourcePlace find_source(const std::string& path, const std::string& given);

}  // namespace sqlbk::platform
