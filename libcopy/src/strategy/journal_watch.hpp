// Whether an owner in EXCLUSIVE locking mode journals into the file beside main: whether it was
// seen doing so (docs/consistency.md, "retry-verify, rollback mode"). Private to libcopy.
#pragma once

#include <optional>

#include "sqlbk/core/live_files.hpp"

namespace sqlbk::copy {

class JournalWatch {
 public:
  explicit JournalWatch(LiveFiles& files) : files_(files) {}

  // To be called every now and then; cheap.
  void look();

  // The process that holds main exclusively now was seen with an active journal, in the file that
  // lies there now, and has written nothing to main after it had finished that journal.
  // REQUIRES: the files are quiet.
  bool vouches() const;

 private:
  struct Seen {
    int pid;
    FileStat journal;
  };
  LiveFiles& files_;
  std::optional<Seen> seen_;
};

}  // namespace sqlbk::copy
