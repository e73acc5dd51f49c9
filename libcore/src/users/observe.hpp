// Polls who uses a database. Private to libcore.
#pragma once

#include <functional>

#include "linux/process_files.hpp"
#include "sqlbk/core/live_files.hpp"
#include "users/observation.hpp"

namespace sqlbk::users {

// Looks into all processes.
using ScanProcesses = std::function<platform::ProcessScan()>;

// Refreshes the sidecars of `files`, so that what it says is about the files that have the names
// now. Looks into the processes that hold locks, as fcntl(2) names them, and into all of them, by
// `scan`, where that does not tell.
Observation observe(LiveFiles& files, const ScanProcesses& scan);

// What observe() says of locks and files, without a look at any process.
Observation observe_without_processes(LiveFiles& files);
// Whether observe() would look into all processes.
bool needs_all_processes(const Observation& without_processes);

// Nothing in main was written since `before`, and the sidecars and the holders of locks are those
// of then: what has come since uses main as those did, or has not touched it.
bool is_as_before(const Observation& before, const Observation& now);

}  // namespace sqlbk::users
