// Threads that may be refused: by RLIMIT_NPROC, by the pids controller of a container, for want of
// memory.
#pragma once

#include <functional>
#include <string>
#include <thread>

namespace sqlbk {

// Runs `work`, which throws nothing, on a new thread. Throws Error (io_error, with the errno) where
// the system starts none; the message says that it was to do `purpose`, as "copy 'app.db'".
std::thread start_thread(const std::string& purpose, std::function<void()> work);

}  // namespace sqlbk
