// Polls who uses a database. Private to libcore.
#pragma once

#include "sqlbk/core/live_files.hpp"
#include "users/observation.hpp"
#include "users/search.hpp"

namespace sqlbk::users {

// What locks and files say, without a look at any process: one or two dozen system calls. Refreshes
// the sidecars of `files`, so that it is about the files that have the names now.
Observation observe_locks(LiveFiles& files);

// With the processes that hold the locks, as far as fcntl(2) names them.
Observation observe_named_holders(Observation locks, const LiveFiles& files);
// With all of them. REQUIRES: `found` is of these files.
Observation observe_found(Observation locks, Search found);

// Nothing in main was written since `before`, and the sidecars and the holders of locks are those
// of then: what has come since uses main as those did, or has not touched it.
bool is_as_before(const Observation& before, const Observation& now);

}  // namespace sqlbk::users
