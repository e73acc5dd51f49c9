#include "child.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <exception>
#include <new>
#include <signal.h>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "sqlbk/core/error.hpp"

namespace sqlbk::test {

using namespace std::chrono_literals;

struct Child::Shared {
  std::atomic<std::size_t> started{0};  // tasks asked for
  std::atomic<std::size_t> finished{0};
  std::atomic<std::size_t> task{0};
  std::array<char, 512> error{};
};

Child::Child(const std::vector<std::function<void()>>& tasks) {
  void* memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw system_error("map", "shared memory", errno);
  shared_ = new (memory) Shared;
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw system_error("fork", "a child", errno);
  if (pid_ == 0) {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent) ::_exit(2);
    serve(tasks);
  }
}

Child::~Child() {
  static_cast<void>(::kill(pid_, SIGKILL));
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  static_cast<void>(::munmap(shared_, sizeof(Shared)));
}

void Child::serve(const std::vector<std::function<void()>>& tasks) {
  for (std::size_t served = 0;; ++served) {
    while (shared_->started.load(std::memory_order_acquire) == served) {
      std::this_thread::sleep_for(200us);
    }
    shared_->error[0] = '\0';
    try {
      tasks.at(shared_->task.load(std::memory_order_relaxed))();
    } catch (const std::exception& error) {
      const std::string text = error.what();
      const std::size_t size = std::min(text.size(), shared_->error.size() - 1);
      std::copy_n(text.begin(), size, shared_->error.begin());
      shared_->error[size] = '\0';
    }
    shared_->finished.store(served + 1, std::memory_order_release);
  }
}

void Child::start(std::size_t task) {
  if (!done()) throw std::logic_error("the child is still at its last task");
  shared_->task.store(task, std::memory_order_relaxed);
  shared_->started.fetch_add(1, std::memory_order_release);
}

bool Child::done() const noexcept {
  return shared_->finished.load(std::memory_order_acquire) ==
         shared_->started.load(std::memory_order_acquire);
}

void Child::wait() {
  wait_until(
      [this] {
        siginfo_t info{};
        if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid != 0) {
          throw std::runtime_error("the child died");
        }
        return done();
      },
      "the child's task");
  if (shared_->error[0] != '\0') throw std::runtime_error(shared_->error.data());
}

void wait_until(const std::function<bool()>& done, const std::string& what) {
  const auto deadline = std::chrono::steady_clock::now() + 120s;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= deadline) {
      throw std::runtime_error("waited in vain for " + what);
    }
    std::this_thread::sleep_for(200us);
  }
}

}  // namespace sqlbk::test
