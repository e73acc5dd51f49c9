// How long a process that waits for a lock of ours has been waiting. Private to libcopy.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace sqlbk::copy {

// The descriptors that are asked. They stay open as long as the budget is used: LiveFiles keeps
// what it has replaced until the next attempt.
struct LockedFiles {
  int main_fd = -1;
  int shm_fd = -1;   // -1: no lock of ours stands on it
  std::string path;  // of main, for messages
};

class LockBudget {
 public:
  explicit LockBudget(std::chrono::milliseconds budget) : budget_(budget) {}

  // Whether a process waits that has done so for longer than the budget. In rollback mode a waiting
  // writer holds PENDING, and since no process can commit all waits are one: what has given up at a
  // busy timeout of its own tries again, or another in its place. In WAL mode a blocking checkpoint
  // holds WRITE and CKPT at once, and all writers wait with it; it counts while it is seen at every
  // poll.
  bool is_spent(const LockedFiles& files);

 private:
  // What waits, told from everything else that might: by the pid (0 in another pid namespace) and,
  // in WAL mode, the last commit. No process commits while a checkpoint waits; where one did, two
  // threads of one process only happened to hold the two locks.
  struct Waiter {
    int pid = 0;
    std::uint32_t mx_frame = 0;
    bool operator==(const Waiter&) const = default;
  };
  static std::optional<Waiter> waiter(const LockedFiles& files);

  std::chrono::milliseconds budget_;
  std::optional<Waiter> waiting_;
  std::chrono::steady_clock::time_point since_;
};

}  // namespace sqlbk::copy
