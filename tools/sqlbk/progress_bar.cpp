#include "progress_bar.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <sys/ioctl.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include "print.hpp"
#include "sqlbk/core/error.hpp"
#include "terminal.hpp"

namespace sqlbk::tool {

using namespace std::chrono_literals;

ProgressMode parse_progress_mode(const std::string& text) {
  if (text == "auto") return ProgressMode::automatic;
  if (text == "always") return ProgressMode::always;
  if (text == "never") return ProgressMode::never;
  throw Error(Errc::usage, "the value " + sqlbk::quoted(text) + " of --progress is not known")
      .with_hint("one of: auto, always, never");
}

std::string progress_line(Phase phase, std::uint64_t done_bytes, std::uint64_t total_bytes,
                          double elapsed_s, std::size_t columns) {
  constexpr std::size_t kMostBar = 24;
  std::string left(to_string(phase));
  left.resize(8, ' ');
  if (total_bytes == 0) return left + "...";
  // A second attempt, or a file that grows, may go beyond what was expected.
  const double share =
      std::min(1.0, static_cast<double>(done_bytes) / static_cast<double>(total_bytes));
  std::string right = std::to_string(static_cast<int>(share * 100)) + " %  " +
                      format_bytes(done_bytes) + " of " + format_bytes(total_bytes);
  if (elapsed_s >= 0.2 && done_bytes != 0) {
    const double rate = static_cast<double>(done_bytes) / elapsed_s;
    right += "  " + format_bytes(static_cast<std::uint64_t>(rate)) + "/s";
    if (done_bytes < total_bytes) {
      const auto left_s = static_cast<long>(static_cast<double>(total_bytes - done_bytes) / rate);
      right += "  ETA " + format_duration(std::chrono::seconds(left_s + 1));
    }
  }
  // The bar takes what the figures leave; a line that wraps could not be overwritten.
  const std::size_t taken = left.size() + right.size() + 3;
  const std::size_t width = columns > taken ? std::min(columns - taken, kMostBar) : 0;
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(width));
  const std::string bar =
      width < 4 ? "" : '[' + std::string(filled, '=') + std::string(width - filled, ' ') + "] ";
  return (left + bar + right).substr(0, columns);
}

std::size_t terminal_columns() {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  return known ? size.ws_col - std::size_t{1} : 79;
}

class ProgressBar::Painter {
 public:
  explicit Painter(const Progress& progress) : progress_(progress), thread_([this] { paint(); }) {}
  Painter(const Painter&) = delete;
  Painter& operator=(const Painter&) = delete;
  ~Painter() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  void paint() {
    std::unique_lock lock(mutex_);
    Phase phase = Phase::probe;
    auto began = std::chrono::steady_clock::now();
    std::size_t width = 0;
    // The first look comes late, so that a short run prints nothing at all.
    while (!changed_.wait_for(lock, 150ms, [this] { return stop_; })) {
      const Phase now = progress_.phase.load(std::memory_order_relaxed);
      if (now != phase) {
        phase = now;
        began = std::chrono::steady_clock::now();
      }
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - began;
      std::string line = progress_line(phase, progress_.done_bytes.load(std::memory_order_relaxed),
                                       progress_.total_bytes.load(std::memory_order_relaxed),
                                       elapsed.count(), terminal_columns());
      const std::size_t size = line.size();
      line.resize(std::max(size, width), ' ');
      width = size;
      standard_error().own('\r' + line);
    }
    if (width != 0) standard_error().own('\r' + std::string(width, ' ') + '\r');
  }

  const Progress& progress_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread thread_;
};

ProgressBar::ProgressBar(const Progress& progress, ProgressMode mode) {
  const bool wanted = mode == ProgressMode::always ||
                      (mode == ProgressMode::automatic && ::isatty(STDERR_FILENO) == 1);
  if (!wanted) return;
  try {
    painter_ = std::make_unique<Painter>(progress);
  } catch (const std::system_error&) {
    // There is no thread for it: the work is worth more than its progress.
  }
}

ProgressBar::~ProgressBar() = default;

}  // namespace sqlbk::tool
