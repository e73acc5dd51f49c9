// Locks on a database that the kernel's record locks do not show: flock(2) on main, and what has
// the name "MAIN.lock" (unix-flock and unix-dotfile in os_unix.c, and what is like them).
//
// For authors of strategies. What holds such a lock may have written one half of a transaction
// before a strategy begins to read and write the other one after it: neither is a change that the
// strategy sees, but the lock stands all the while (docs/consistency.md, "The right files").
// Thread-safety: as LiveFiles. Nothing here throws but std::bad_alloc.
#pragma once

#include <optional>

#include "sqlbk/core/io.hpp"

namespace sqlbk {

class LiveFiles;

struct UnseenLocks {
  bool is_flocked = false;            // exclusively, and not by a descriptor that this process has
  std::optional<FileStat> lock_file;  // file, link or directory

  bool is_same(const UnseenLocks& other) const noexcept;
};

// Takes flock(2) on main for reading and gives it back at once, where that does not wait, and where
// the file system is this kernel's.
UnseenLocks read_unseen_locks(const LiveFiles& files);

// What the attempt has seen of them. Owned by LiveFiles.
class UnseenLockLog {
 public:
  // By the loop over attempts, before each.
  void begin(const UnseenLocks& locks);
  // By the strategy, between its first and its last look at the files that it has read.
  void note(const UnseenLocks& locks);
  // None has come, gone or been made anew.
  bool is_constant() const noexcept { return is_constant_; }

 private:
  std::optional<UnseenLocks> first_;
  bool is_constant_ = true;
};

}  // namespace sqlbk
