#include "sqlbk/core/host_thread.hpp"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "linux/descriptor_table.hpp"
#include "linux/file_size_signal.hpp"
#include "sqlbk/core/thread.hpp"

namespace sqlbk {

HostThread::~HostThread() = default;

namespace {

// A rendezvous: one thread at a time posts a piece of work, the host's thread does it.
class Rendezvous final : public HostThread {
 public:
  void call(const std::function<void()>& work) override {
    const std::lock_guard turn(callers_);
    std::unique_lock lock(mutex_);
    work_ = &work;
    error_ = nullptr;
    changed_.notify_all();
    changed_.wait(lock, [this] { return work_ == nullptr; });
    if (error_) std::rethrow_exception(error_);
  }

  void finish() {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    changed_.notify_all();
  }

  // On the host's thread: does what is asked until the isolated thread is finished.
  void serve() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return finished_ || work_ != nullptr; });
      if (work_ == nullptr) return;
      const std::function<void()>* work = work_;
      lock.unlock();
      std::exception_ptr error;
      try {
        const platform::FileSizeSignalBlocked blocked;
        (*work)();
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      error_ = error;
      work_ = nullptr;
      changed_.notify_all();
    }
  }

 private:
  std::mutex callers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* work_ = nullptr;
  std::exception_ptr error_;
  bool finished_ = false;
};

}  // namespace

void run_isolated(const std::function<void(HostThread*)>& work) {
  Rendezvous rendezvous;
  std::exception_ptr error;
  bool isolated = true;
  std::thread thread = start_thread("copy or check the database", [&] {
    const platform::FileSizeSignalBlocked blocked;
    isolated = platform::unshare_descriptor_table();
    if (isolated) {
      try {
        work(&rendezvous);
      } catch (...) {
        error = std::current_exception();
      }
    }
    rendezvous.finish();
  });
  rendezvous.serve();
  thread.join();
  if (!isolated) {
    const platform::FileSizeSignalBlocked blocked;
    work(nullptr);
    return;
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace sqlbk
