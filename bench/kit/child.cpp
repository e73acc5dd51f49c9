#include "kit/child.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include "kit/child_report.hpp"
#include "kit/spawn.hpp"
#include "kit/writer_process.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::kit {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::size_t kMostSaid = 16U << 10U;
constexpr auto kLook = 50ms;  // for a cancel

std::string launcher_program(const ChildOptions& options) {
  if (!options.launcher.empty()) return options.launcher;
  const std::filesystem::path writer = live_writer_program();
  return (writer.parent_path() / "run-measured").string();
}

// run-measured and all below it. Killed and reaped by the destructor, unless it was reaped before.
class Group {
 public:
  explicit Group(pid_t leader) noexcept : leader_(leader) {}
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  ~Group() { kill_and_reap(); }

  void kill_and_reap() noexcept {
    if (leader_ == 0) return;
    // Before it is reaped: until then nobody else can get the number.
    static_cast<void>(::kill(-leader_, SIGKILL));
    while (::waitpid(leader_, nullptr, 0) < 0 && errno == EINTR) {
    }
    leader_ = 0;
  }

 private:
  pid_t leader_;
};

// What comes through one pipe, as far as it is kept.
class Listener {
 public:
  explicit Listener(const UniqueFd& fd, std::size_t most) : fd_(fd.get()), most_(most) {}

  pollfd waiting() const noexcept { return {open_ ? fd_ : -1, POLLIN, 0}; }
  void listen() {
    const std::string more = read_some(fd_);
    open_ = !more.empty();
    said_.append(more, 0, std::min(more.size(), most_ - said_.size()));
  }
  // What is there already; does not wait for those who keep the pipe open.
  void drain() {
    while (open_ && wait_readable(fd_, Clock::now())) listen();
  }
  bool open() const noexcept { return open_; }
  const std::string& said() const noexcept { return said_; }

 private:
  int fd_;
  std::size_t most_;
  bool open_ = true;
  std::string said_;
};

void fill(const ChildReport& report, ChildResult& result) {
  result.wall = std::chrono::nanoseconds(report.wall_ns);
  result.cpu = std::chrono::nanoseconds(report.cpu_ns);
  result.peak_memory_bytes = static_cast<std::uint64_t>(report.peak_memory_kib) * 1024;
  result.written_bytes = static_cast<std::uint64_t>(report.written_blocks) * 512;
  if (report.start_errno != 0) {
    result.end = ChildEnd::not_started;
    result.code = report.start_errno;
  } else if (WIFSIGNALED(report.wait_status)) {
    result.end = ChildEnd::killed;
    result.code = WTERMSIG(report.wait_status);
  } else {
    result.code = WEXITSTATUS(report.wait_status);
  }
}

std::string first_line(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_first_of("\r\n", begin) - begin);
}

}  // namespace

std::string ChildResult::explain() const {
  if (end == ChildEnd::timed_out) return "stopped at the deadline";
  if (end == ChildEnd::not_started) return std::strerror(code);
  std::string said = first_line(errors.empty() ? output : errors);
  if (!said.empty()) return said;
  return (end == ChildEnd::killed ? "killed by signal " : "exit status ") + std::to_string(code);
}

ChildResult run_child(const std::vector<std::string>& command, const ChildOptions& options) {
  const std::string launcher = launcher_program(options);
  Pipe report_pipe;
  Pipe output_pipe;
  Pipe error_pipe;
  SpawnSetup setup;
  setup.give_file("/dev/null", O_RDONLY, STDIN_FILENO);
  setup.give(output_pipe.write_end, STDOUT_FILENO);
  setup.give(error_pipe.write_end, STDERR_FILENO);
  setup.give(report_pipe.write_end, kReportFd);
  setup.in_own_group();
  const auto began = Clock::now();
  Group group(setup.start(launcher, command));
  for (Pipe* pipe : {&report_pipe, &output_pipe, &error_pipe}) pipe->write_end.reset();

  ChildResult result;
  Listener report(report_pipe.read_end, sizeof(ChildReport));
  Listener output(output_pipe.read_end, kMostSaid);
  Listener errors(error_pipe.read_end, kMostSaid);
  const auto deadline = began + options.deadline;
  while (report.open() && report.said().size() < sizeof(ChildReport)) {
    if (options.cancel != nullptr && options.cancel->requested()) {
      throw Error(Errc::interrupted,
                  "interrupted while " + sqlbk::quoted(command[0]) + " was running");
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left <= 0ms) {
      result.end = ChildEnd::timed_out;
      break;
    }
    std::array<pollfd, 3> waiting{report.waiting(), output.waiting(), errors.waiting()};
    const int n =
        ::poll(waiting.data(), waiting.size(),
               static_cast<int>(std::min<std::chrono::milliseconds>(left, kLook).count()));
    if (n < 0 && errno != EINTR) throw system_error("wait for", command[0], errno);
    if (n <= 0) continue;
    if (waiting[0].revents != 0) report.listen();
    if (waiting[1].revents != 0) output.listen();
    if (waiting[2].revents != 0) errors.listen();
  }
  result.wall = Clock::now() - began;
  group.kill_and_reap();
  output.drain();
  errors.drain();
  result.output = output.said();
  result.errors = errors.said();
  if (result.end == ChildEnd::timed_out) return result;
  ChildReport told;
  if (report.said().size() != sizeof told) {
    throw Error(Errc::io_error, sqlbk::quoted(launcher) + " ended without a report on " +
                                    sqlbk::quoted(command[0]));
  }
  std::memcpy(&told, report.said().data(), sizeof told);
  fill(told, result);
  return result;
}

}  // namespace sqlbk::kit
