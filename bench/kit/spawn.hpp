// Starting child processes and listening to their pipes: what WriterProcess and run_child() share.
// Ownership: by RAII. Thread-safety: one thread at a time for each object. Failure: throws Error.
#pragma once

#include <chrono>
#include <spawn.h>
#include <string>
#include <sys/types.h>
#include <vector>

#include "sqlbk/core/unique_fd.hpp"

namespace sqlbk::kit {

// The first descriptor of a child beyond the three that every process has.
inline constexpr int kFirstChildFd = 3;

// Moves a descriptor away from the numbers that a child's get.
UniqueFd above_child_fds(UniqueFd fd);

// Close-on-exec: an end that leaks into the next child would keep this one from its EOF.
struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
  Pipe();
};

// posix_spawn's two opaque structs. Not fork(): the parent may be large.
class SpawnSetup {
 public:
  SpawnSetup();
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  ~SpawnSetup();

  void give(const UniqueFd& fd, int as);
  void give_file(const std::string& path, int flags, int as);
  // The child leads a process group of its own, which can be killed whole.
  void in_own_group();

  // `program` is a path.
  pid_t start(const std::string& program, const std::vector<std::string>& arguments);

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
  short flags_ = 0;
};

// True: there is something to read, or the other end is closed. False: not within the deadline.
bool wait_readable(int fd, std::chrono::steady_clock::time_point deadline);

// The bytes that are there; empty at the end. Waits for the first.
std::string read_some(int fd);

}  // namespace sqlbk::kit
