// Keeps the descriptor rule for a host program that links sqlbk.
//
// POSIX drops all of a process's locks on a file when the process closes any descriptor of it
// (fcntl(2); "Posix Advisory Locking" in SQLite's os_unix.c). A copy opens and closes the source,
// so it would drop the locks of the host's own SQLite connections. The owner of such a lock is, to
// the kernel, the descriptor table. Therefore a run works on a thread with a private, empty
// descriptor table: what is closed there drops nothing. Only SQLite connections to the source are
// opened on the host's side, where SQLite keeps its own account of descriptors (docs/library.md).
//
// Thread-safety: run_isolated() from any thread; HostThread::call() from the isolated
// thread and from threads that it has started, one after the other.
#pragma once

#include <functional>

namespace sqlbk {

// The thread that called run_isolated(): it has the host's descriptor table.
class HostThread {
 public:
  virtual ~HostThread();
  // Runs `work` there and waits for it. What it throws is thrown here.
  virtual void call(const std::function<void()>& work) = 0;
};

// Runs `work` on a thread with a private descriptor table and waits for it; only standard input,
// output and error are shared. What it throws is thrown here. Where the system cannot give a
// thread its own table (old kernels, strict sandboxes), `work` runs on this thread and gets
// nullptr; LiveFiles then keeps descriptors open as long as this process holds locks.
void run_isolated(const std::function<void(HostThread*)>& work);

}  // namespace sqlbk
