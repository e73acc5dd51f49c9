#include "sqlbk/core/thread.hpp"

#include <system_error>
#include <utility>

#include "sqlbk/core/error.hpp"

namespace sqlbk {

std::thread start_thread(const std::string& purpose, std::function<void()> work) {
  try {
    return std::thread(std::move(work));
  } catch (const std::system_error& error) {
    throw Error(Errc::io_error,
                "unable to start a thread to " + purpose + ": " + error.code().message())
        .with_errno(error.code().value())
        .with_hint(
            "raise the limit on the user's processes and threads (ulimit -u, or that of the "
            "service), or run the same command again when fewer are running");
  }
}

}  // namespace sqlbk
