// Which programs have the files of a source open, asked without touching the files. Decisions
// must allow for what is not seen: processes of other users, containers and machines.
// Thread-safety: pure system calls.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sqlbk/core/live_files.hpp"

namespace sqlbk {

struct FileUser {
  int pid = -1;
  std::string program;            // as the system calls it; empty if it does not tell
  std::vector<SourceFile> files;  // at least one, in the order of kSourceFiles
};

struct OpenFiles {
  std::vector<FileUser> users;       // by process id; this process is left out
  std::size_t unseen_processes = 0;  // that this user may not look into: each may be one more
};

// Takes time in proportion to all descriptors of all processes.
OpenFiles list_open_files(const LiveFiles& files);

// Those that this process has open, in the order of kSourceFiles; nullopt: it is gone, or out of
// sight.
std::optional<std::vector<SourceFile>> files_open_in(int pid, const LiveFiles& files);

// Empty where the system does not tell, or there is no such process.
std::string program_of(int pid);

}  // namespace sqlbk
