// A SQLite VFS that serves one CheckedState for reading, and has no way to write, lock or make a
// file: what is opened through it cannot be changed by it. Private to libcheckpoint.
// Thread-safety: connections through it may be used in different threads.
#pragma once

#include <memory>
#include <string>

#include "sqlbk/core/progress.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "verify/checked_state.hpp"

namespace sqlbk::checkpoint {

// What a connection will read next.
enum class Access {
  in_order,  // a tree from one end to the other, no page twice
  anywhere,  // the inner pages of indexes again and again
};
// Gives the connection the cache for it: one that is large and never hit costs more than none.
void expect_access(sqlite::Connection& connection, Access access);

class ReaderVfs {
 public:
  // Registers itself with SQLite. REQUIRES: `state` and `progress` outlive it, and it outlives its
  // connections. Pages read are counted as progress.
  ReaderVfs(const CheckedState& state, Progress& progress);
  ReaderVfs(const ReaderVfs&) = delete;
  ReaderVfs& operator=(const ReaderVfs&) = delete;
  ~ReaderVfs();

  // For Access::anywhere. Statements stop when the run is cancelled or its deadline has passed. The
  // next failure to read is an Error of SQLite's with the code of the system.
  sqlite::Connection connect(const RunContext& context) const;

 private:
  class Registered;
  std::unique_ptr<Registered> registered_;
};

}  // namespace sqlbk::checkpoint
