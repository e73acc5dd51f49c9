// Whether the holder of an EXCLUSIVE lock journals into the file beside main: whether it was
// seen doing so (docs/consistency.md, "retry-verify, rollback mode"). Private to libcopy.
#pragma once

#include <optional>

#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/source.hpp"

namespace sqlbk::copy {

class JournalWatch {
 public:
  explicit JournalWatch(LiveFiles& files) : files_(files) {}

  // To be called every now and then; cheap.
  void look();

  // The process that holds main exclusively was seen with an active journal, in the file that lies
  // there, and has written nothing to main after it had finished that journal: all of it as of a
  // window in which nobody wrote, and which began with `facts`.
  bool vouches(const SourceFacts& facts) const;

 private:
  struct Seen {
    int pid;
    FileStat journal;
    UniqueFd kept;  // so that no other journal gets its inode number
  };
  LiveFiles& files_;
  std::optional<Seen> seen_;
};

}  // namespace sqlbk::copy
