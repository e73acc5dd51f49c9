#include "signals.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <semaphore.h>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/thread.hpp"

namespace sqlbk::tool {
namespace {

std::atomic<CancelToken*> target{nullptr};
static_assert(std::atomic<CancelToken*>::is_always_lock_free);

void request(int /*signal*/) {
  if (CancelToken* token = target.load(std::memory_order_relaxed)) token->request();
}

// What the handler tells the thread: the signal, or kEnd.
std::atomic<int> asked{0};
constexpr int kEnd = -1;
sem_t asked_for;

void stop_later(int signal) {
  const int os_errno = errno;
  asked.store(signal, std::memory_order_relaxed);
  static_cast<void>(::sem_post(&asked_for));
  errno = os_errno;
}

constexpr std::array kStopSignals{SIGTSTP, SIGTTIN, SIGTTOU};

// Fails only for what is no signal.
void set_handler(int signal, void (*handler)(int)) noexcept {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = static_cast<int>(SA_RESTART);
  static_cast<void>(::sigaction(signal, &action, nullptr));
}

void (*disposition(int signal) noexcept)(int) {
  struct sigaction action {};
  static_cast<void>(::sigaction(signal, nullptr, &action));
  return action.sa_handler;
}

void do_nothing(int /*signal*/) {}

// As the signal does by itself; returns when the process goes on. To this thread, so that it is
// stopped before the handler is back.
void stop_by(int signal) {
  set_handler(signal, SIG_DFL);
  static_cast<void>(::raise(signal));
  set_handler(signal, stop_later);
}

void stop_when_asked(RunContext& run) {
  while (true) {
    while (::sem_wait(&asked_for) != 0 && errno == EINTR) {
    }
    const int signal = asked.exchange(0, std::memory_order_relaxed);
    if (signal == kEnd) return;
    if (signal == 0) continue;
    run.suspend();
    stop_by(signal);
    run.resume();
  }
}

}  // namespace

StopSignals::StopSignals(RunContext& run) {
  if (::sem_init(&asked_for, 0, 0) != 0) throw system_error("wait for", "signals", errno);
  asked.store(0);
  thread_ = start_thread("wait for signals", [&run] { stop_when_asked(run); });
  for (const int signal : kStopSignals) {
    if (disposition(signal) == SIG_DFL) set_handler(signal, stop_later);
  }
}

StopSignals::~StopSignals() {
  for (const int signal : kStopSignals) {
    if (disposition(signal) == stop_later) set_handler(signal, SIG_DFL);
  }
  asked.store(kEnd);
  static_cast<void>(::sem_post(&asked_for));
  thread_.join();
  static_cast<void>(::sem_destroy(&asked_for));
}

void outlive_failed_writes() noexcept {
  for (const int signal : {SIGXFSZ, SIGPIPE}) {
    // A handler, not SIG_IGN, which a program that is started would inherit.
    if (disposition(signal) == SIG_DFL) set_handler(signal, do_nothing);
  }
}

void cancel_on_signals(CancelToken& token) {
  target.store(&token);
  struct sigaction action {};
  action.sa_handler = request;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second signal has its default effect
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    // As nohup(1) leaves SIGHUP, and a shell SIGINT of a program in the background.
    if (disposition(signal) == SIG_IGN) continue;
    if (::sigaction(signal, &action, nullptr) != 0) {
      throw system_error("set a handler for", "signals", errno);
    }
  }
}

}  // namespace sqlbk::tool
