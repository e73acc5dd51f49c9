// What a test sees of a source without touching it: every look happens with a private descriptor
// table, so that no close() drops locks of this process (host_thread.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

#include "files.hpp"

namespace sqlbk::test {

std::string bytes_of(const std::string& path);
void write_bytes(const std::string& path, const std::string& bytes);
std::string parent_of(const std::string& path);

struct SeenFile {
  std::string bytes;
  std::int64_t mtime_ns = 0;
  std::uint64_t inode = 0;
  bool operator==(const SeenFile&) const = default;
};

// The files of a source and all names in its directory.
struct SeenSource {
  std::map<std::string, SeenFile> files;  // by suffix: "", "-wal", "-journal", "-shm"
  std::vector<std::string> names;
};
SeenSource look_at_source(const std::string& main_path);

// "" if `after` shows the same source as `before`, else what differs. `with_shm`: the wal-index,
// too; SQLite's readers write their marks into it.
std::string difference(const SeenSource& before, const SeenSource& after, bool with_shm);

// The locks that /proc/locks shows on the files of a source, one line each, sorted: those of this
// process, and those of open file descriptions, which have no owner there.
std::vector<std::string> own_locks_on(const std::string& main_path);
// Whether process `pid` holds a write lock on these bytes of the file, as SQLite takes it.
bool holds_write_lock(pid_t pid, const std::string& path, std::uint64_t first_byte,
                      std::uint64_t last_byte);

}  // namespace sqlbk::test
