#include "lock_watch.hpp"

#include <cerrno>
#include <utility>

#include "ofd_lock.hpp"
#include "sqlbk/core/thread.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;

// A poll is two or three system calls that ask for locks.
constexpr std::chrono::milliseconds kBetweenPolls = 5ms;

Error stopped_error(const std::string& path) {
  Error error(Errc::source_changed,
              "the lock on " + quoted(path) + " was let go of, because the program was stopped");
  error.with_path(path);
  return error;
}

}  // namespace

LockWatch::LockWatch(const LiveFiles& files, std::chrono::milliseconds budget, RunContext& context,
                     std::function<void()> roll_back)
    : files_(files),
      budget_time_(budget),
      roll_back_(std::move(roll_back)),
      budget_(budget),
      locked_{.main_fd = files.fd_of(SourceFile::main), .path = files.given_path()},
      hold_(context.hold([this] { ask_to_let_go(); })),
      watch_(context.watch([this] { check(); })) {}

LockWatch::~LockWatch() {
  {
    const std::lock_guard lock(mutex_);
    is_ended_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void LockWatch::check() const {
  if (is_gone_.load(std::memory_order_acquire)) throw Error(*reason_);
}

void LockWatch::finish() {
  const std::lock_guard lock(mutex_);
  check();
  is_finished_ = true;
}

void LockWatch::begin() {
  if (thread_.joinable()) return;
  // Its descriptor table is that of the run: a thread shares it with the one that starts it.
  thread_ = start_thread("watch the lock on " + quoted(files_.given_path()), [this] { poll(); });
}

void LockWatch::poll() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait_for(lock, kBetweenPolls, [this] { return is_ended_ || is_asked_; });
    if (is_ended_) return;
    const std::optional<Error> reason = reason_to_let_go();
    if (!reason) continue;
    let_go(*reason, lock);
    return;
  }
}

// Where it cannot be seen what waits, no promise can be kept.
std::optional<Error> LockWatch::reason_to_let_go() {
  if (is_asked_) return stopped_error(files_.given_path());
  try {
    if (!budget_.is_spent(locked_)) return std::nullopt;
  } catch (const Error& error) {
    return error;
  }
  return Error(Errc::lock_budget_exceeded, "the owner of " + quoted(files_.given_path()) +
                                               " has waited for our lock longer than " +
                                               std::to_string(budget_time_.count()) + " ms")
      .with_path(files_.given_path());
}

void LockWatch::let_go(const Error& reason, std::unique_lock<std::mutex>& lock) {
  note(reason);
  unlock_whole_file(locked_.main_fd);
  if (locked_.shm_fd >= 0) unlock_whole_file(locked_.shm_fd);
  lock.unlock();
  if (roll_back_) roll_back_();
  lock.lock();
  has_let_go_ = true;
  changed_.notify_all();
}

// What was copied before finish() was not protected to its end.
void LockWatch::note(const Error& reason) {
  if (is_finished_ || reason_) return;
  reason_ = reason;
  is_gone_.store(true, std::memory_order_release);
}

void LockWatch::ask_to_let_go() {
  std::unique_lock lock(mutex_);
  if (!thread_.joinable()) {
    note(stopped_error(files_.given_path()));  // nothing was taken yet, and now nothing is
    return;
  }
  is_asked_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return has_let_go_ || is_ended_; });
}

}  // namespace sqlbk::copy
