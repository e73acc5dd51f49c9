// A forked child that runs tasks when told to: an owner of a database that does, at one moment,
// exactly what a test needs. It is told through shared memory, so that a mover's callback, whose
// thread has no descriptors of ours, can tell it, too.
// Fork before this process has a SQLite connection: SQLite does not survive a fork.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace sqlbk::test {

class Child {
 public:
  // Task i is run by start(i). What tasks share they capture: it is the child's own copy. The child
  // is single-threaded, and dies with the thread that made it.
  explicit Child(const std::vector<std::function<void()>>& tasks);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();  // SIGKILL, and reaps it

  pid_t pid() const noexcept { return pid_; }

  void start(std::size_t task);
  bool done() const noexcept;
  // Waits for the end of the task that was started; throws what it threw, or if the child died.
  void wait();
  void run(std::size_t task) {
    start(task);
    wait();
  }

 private:
  struct Shared;
  [[noreturn]] void serve(const std::vector<std::function<void()>>& tasks);

  Shared* shared_;
  pid_t pid_ = 0;
};

// Waits until `done` says so; fails the test by an exception after two minutes.
void wait_until(const std::function<bool()>& done, const std::string& what);

}  // namespace sqlbk::test
