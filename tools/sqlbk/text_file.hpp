// A text file that a command writes beside its main result: it stands there whole or not at all.
// Thread-safety: any thread; the process's umask is read. Failure: Error, with the path.
#pragma once

#include <span>
#include <string>

namespace sqlbk::tool {

enum class Existing {
  refuse,
  replace,  // if it is a regular file, and none of SQLite's
};

// By convention "-" is standard output: a file of that name would leave a pipe empty, and exit 0
// would say that all went well. Throws usage.
void refuse_standard_output(const std::string& what, const std::string& path);

// Throws, before any work is done, what would be in the way: destination_exists where the file is
// there (and is not to be replaced) or has a name that belongs to one of `databases` (its own, that
// of a sidecar or of its digest), destination_unusable where it has no directory that can be
// written. `what`: "the manifest".
void check_text_file(const std::string& what, const std::string& path, Existing existing,
                     std::span<const std::string> databases);

// Synced, and so is its directory.
void write_text_file(const std::string& what, const std::string& path, const std::string& text,
                     Existing existing);

}  // namespace sqlbk::tool
