#include "signals.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>

#include "sqlbk/core/error.hpp"

namespace sqlbk::tool {
namespace {

std::atomic<CancelToken*> target{nullptr};
static_assert(std::atomic<CancelToken*>::is_always_lock_free);

void request(int /*signal*/) {
  if (CancelToken* token = target.load(std::memory_order_relaxed)) token->request();
}

}  // namespace

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
