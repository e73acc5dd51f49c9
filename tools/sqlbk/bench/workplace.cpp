#include "workplace.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <thread>
#include <unistd.h>

#include "kit_programs.hpp"
#include "progress_bar.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/printable.hpp"
#include "terminal.hpp"

namespace sqlbk::tool::bench {
namespace {

// The tools get absolute paths only: one that begins with '-' would be an option.
std::string absolute(const std::string& directory) {
  return directory.empty() ? "" : std::filesystem::absolute(directory).string();
}

}  // namespace

Workplace::Workplace(const std::string& directory, const CancelToken& cancel)
    : cancel_(cancel),
      directory_(absolute(directory)),
      launch_{.program = find_live_writer("writes in the benchmark"),
              .ready_within = std::chrono::minutes(1)},
      run_measured_(find_run_measured("starts what is measured")),
      terminal_(::isatty(STDERR_FILENO) == 1) {
  if (::setenv("TMPDIR", path().c_str(), 1) != 0) throw system_error("set", "TMPDIR", errno);
}

Workplace::~Workplace() {
  if (width_ != 0) standard_error().own('\r' + std::string(width_, ' ') + '\r');
}

kit::ChildOptions Workplace::child(std::chrono::milliseconds deadline) const {
  return {.launcher = run_measured_, .deadline = deadline, .cancel = &cancel_};
}

void Workplace::say(const std::string& line) {
  if (!terminal_) return;
  std::string text = printable(line).substr(0, terminal_columns());
  const std::size_t size = text.size();
  text.resize(std::max(size, width_), ' ');
  width_ = size;
  standard_error().own('\r' + text);
}

void Workplace::check_cancel() const {
  if (cancel_.requested()) throw Error(Errc::interrupted, "the benchmark was interrupted");
}

void Workplace::sleep_for(std::chrono::milliseconds time) const {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
    check_cancel();
    const auto left = end - std::chrono::steady_clock::now();
    std::this_thread::sleep_for(
        std::min<std::chrono::nanoseconds>(left, std::chrono::milliseconds(50)));
  }
}

}  // namespace sqlbk::tool::bench
