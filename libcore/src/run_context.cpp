#include "sqlbk/core/run_context.hpp"

#include <algorithm>
#include <thread>
#include <utility>

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

Deadline Deadline::never() {
  Deadline deadline;
  deadline.is_adaptive_ = false;
  return deadline;
}

Deadline Deadline::after(std::chrono::milliseconds duration) {
  Deadline deadline;
  deadline.is_adaptive_ = false;
  deadline.end_ = deadline.start_ + duration;
  return deadline;
}

void Deadline::first_pass_done() noexcept {
  if (!is_adaptive_ || end_) return;
  const auto pass = Clock::now() - start_;
  end_ = start_ + std::max<Clock::duration>(10 * pass, 60s);
}

bool Deadline::has_passed() const noexcept {
  return end_ && Clock::now() >= *end_;
}

std::chrono::milliseconds Deadline::left() const noexcept {
  if (!end_) return 24h;
  return std::max(0ms, std::chrono::duration_cast<std::chrono::milliseconds>(*end_ - Clock::now()));
}

void RunContext::tick() {
  if (cancel_.requested()) throw Error(Errc::interrupted, "interrupted");
  if (deadline.has_passed()) {
    throw Error(Errc::deadline_exceeded, "gave up: no consistent copy within the deadline");
  }
  if (!watch_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_watch_ < 2ms) return;
  last_watch_ = now;
  watch_();
}

void RunContext::advance(std::uint64_t bytes) {
  progress_.add(bytes);
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
  watch_ = std::move(check);
  last_watch_ = {};
  return WatchGuard(*this);
}

void RunContext::on_host(const std::function<void()>& work) {
  if (host == nullptr) {
    work();
    return;
  }
  // While the other thread works this one waits, so that what it nests is there already.
  HostThread* const there = std::exchange(host, nullptr);
  try {
    there->call(work);
  } catch (...) {
    host = there;
    throw;
  }
  host = there;
}

void RunContext::log(LogLevel level, const std::string& message) {
  // The sink writes to a descriptor of the host's, whose number may be the staged copy's here.
  if (log_sink) on_host([&] { log_sink(level, message); });
}

}  // namespace sqlbk
