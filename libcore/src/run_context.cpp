#include "sqlbk/core/run_context.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/host_thread.hpp"

namespace sqlbk {

using namespace std::chrono_literals;

std::string_view to_string(Phase phase) noexcept {
  switch (phase) {
    case Phase::probe:
      return "probe";
    case Phase::copy:
      return "copy";
    case Phase::fold:
      return "fold";
    case Phase::steps:
      return "check";
    case Phase::sync:
      return "sync";
    case Phase::publish:
      return "publish";
    case Phase::done:
      return "done";
  }
  return "unknown";
}

std::string_view to_string(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::error:
      return "error";
    case LogLevel::warning:
      return "warning";
    case LogLevel::info:
      return "info";
    case LogLevel::debug:
      return "debug";
  }
  return "unknown";
}

Deadline Deadline::after(std::chrono::milliseconds duration) {
  return at(Clock::now() + duration);
}

Deadline Deadline::at(Clock::time_point end) noexcept {
  Deadline deadline;
  deadline.end_ = end;
  return deadline;
}

Deadline Deadline::sooner_of(const Deadline& other) const noexcept {
  if (!end_) return other;
  return other.end_ && *other.end_ < *end_ ? other : *this;
}

bool Deadline::has_passed() const noexcept {
  return end_ && Clock::now() >= *end_;
}

std::chrono::milliseconds Deadline::left() const noexcept {
  if (!end_) return 24h;
  return std::max(0ms, std::chrono::duration_cast<std::chrono::milliseconds>(*end_ - Clock::now()));
}

struct RunContext::Shared {
  Shared(Progress& to, const CancelToken& token, LogSink sink)
      : progress(to), cancel(token), log_sink(std::move(sink)) {}

  Progress& progress;
  const CancelToken& cancel;
  LogSink log_sink;
  HostThread* host = nullptr;  // the thread with the host's descriptor table; nullptr: this one
  std::function<void()> watch;
  std::chrono::steady_clock::time_point last_watch;
  std::mutex mutex;  // of what follows
  std::condition_variable resumed;
  bool is_suspended = false;
  std::vector<HoldGuard*> holds;
};

RunContext::HoldGuard::HoldGuard(std::shared_ptr<Shared> shared, std::function<void()> let_go)
    : shared_(std::move(shared)), let_go_(std::move(let_go)) {
  std::unique_lock lock(shared_->mutex);
  shared_->resumed.wait(lock, [this] { return !shared_->is_suspended; });
  shared_->holds.push_back(this);
}

RunContext::HoldGuard::~HoldGuard() {
  const std::lock_guard lock(shared_->mutex);
  std::erase(shared_->holds, this);
}

RunContext::RunContext(Progress& progress, const CancelToken& cancel, RunSettings settings)
    : shared_(std::make_shared<Shared>(progress, cancel, std::move(settings.log_sink))),
      deadline_(settings.deadline) {}

RunContext::RunContext(std::shared_ptr<Shared> shared, const Deadline& deadline)
    : shared_(std::move(shared)), deadline_(deadline) {}

RunContext::~RunContext() = default;

RunContext RunContext::until(const Deadline& deadline) const {
  return {shared_, deadline_.sooner_of(deadline)};
}

Progress& RunContext::progress() const noexcept {
  return shared_->progress;
}

bool RunContext::should_stop() const noexcept {
  return shared_->cancel.requested() || deadline_.has_passed();
}

void RunContext::tick() {
  if (shared_->cancel.requested()) throw Error(Errc::interrupted, "interrupted");
  if (deadline_.has_passed()) {
    throw Error(Errc::deadline_exceeded, "gave up: no consistent copy within the deadline");
  }
  if (!shared_->watch) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - shared_->last_watch < 2ms) return;
  shared_->last_watch = now;
  shared_->watch();
}

void RunContext::advance(std::uint64_t bytes) {
  shared_->progress.add(bytes);
  tick();
}

void RunContext::sleep_for(std::chrono::milliseconds duration) {
  const auto end = std::chrono::steady_clock::now() + duration;
  for (auto now = std::chrono::steady_clock::now(); now < end;
       now = std::chrono::steady_clock::now()) {
    tick();
    std::this_thread::sleep_for(std::min<std::chrono::steady_clock::duration>(end - now, 20ms));
  }
  tick();
}

RunContext::WatchGuard RunContext::watch(std::function<void()> check) {
  shared_->watch = std::move(check);
  shared_->last_watch = {};
  return WatchGuard(shared_->watch);
}

RunContext::HoldGuard RunContext::hold(std::function<void()> let_go) {
  return {shared_, std::move(let_go)};
}

void RunContext::suspend() {
  const std::lock_guard lock(shared_->mutex);
  shared_->is_suspended = true;
  for (HoldGuard* const held : shared_->holds) held->let_go_();
}

void RunContext::resume() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->is_suspended = false;
  }
  shared_->resumed.notify_all();
}

void RunContext::run_isolated(const std::function<void()>& work) {
  sqlbk::run_isolated([&](HostThread* host) {
    HostThread* const outer = std::exchange(shared_->host, host);
    try {
      work();
    } catch (...) {
      shared_->host = outer;
      throw;
    }
    shared_->host = outer;
  });
}

bool RunContext::is_isolated() const noexcept {
  return shared_->host != nullptr;
}

void RunContext::on_host(const std::function<void()>& work) {
  if (shared_->host == nullptr) {
    work();
    return;
  }
  // While the other thread works this one waits, so that what it nests is there already.
  HostThread* const there = std::exchange(shared_->host, nullptr);
  try {
    there->call(work);
  } catch (...) {
    shared_->host = there;
    throw;
  }
  shared_->host = there;
}

RunContext::HostCall RunContext::host_call() const {
  return [host = shared_->host](const std::function<void()>& work) {
    host == nullptr ? work() : host->call(work);
  };
}

void RunContext::log(LogLevel level, const std::string& message) {
  // The sink writes to a descriptor of the host's, whose number may be the staged copy's here.
  if (shared_->log_sink) on_host([&] { shared_->log_sink(level, message); });
}

}  // namespace sqlbk
