#include "signals.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <semaphore.h>
#include <system_error>

#include "sqlbk/core/error.hpp"

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

bool is_handled(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == stop_later;
}

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
  try {
    thread_ = std::thread([&run] { stop_when_asked(run); });
  } catch (const std::system_error& error) {
    throw system_error("start a thread for", "signals", error.code().value());
  }
  for (const int signal : kStopSignals) {
    struct sigaction before {};
    const bool is_default =
        ::sigaction(signal, nullptr, &before) == 0 && before.sa_handler == SIG_DFL;
    if (is_default) set_handler(signal, stop_later);
  }
}

StopSignals::~StopSignals() {
  for (const int signal : kStopSignals) {
    if (is_handled(signal)) set_handler(signal, SIG_DFL);
  }
  asked.store(kEnd);
  static_cast<void>(::sem_post(&asked_for));
  thread_.join();
  static_cast<void>(::sem_destroy(&asked_for));
}

void cancel_on_signals(CancelToken& token) {
  target.store(&token);
  struct sigaction action {};
  action.sa_handler = request;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second signal has its default effect
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    if (::sigaction(signal, &action, nullptr) != 0) {
      throw system_error("set a handler for", "signals", errno);
    }
  }
}

}  // namespace sqlbk::tool
