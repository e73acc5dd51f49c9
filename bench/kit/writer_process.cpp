#include "kit/writer_process.hpp"

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "kit/spawn.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::kit {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kStatusFd = kFirstChildFd;  // in the child
constexpr std::chrono::milliseconds kStopWithin{60'000};

// A file that only the two processes know.
UniqueFd make_status_file() {
  UniqueFd fd(::memfd_create("live-writer-status", MFD_CLOEXEC));
  if (!fd) throw system_error("create", "live-writer-status", errno);
  if (::ftruncate(fd.get(), sizeof(SharedStatus)) != 0) {
    throw system_error("extend", "live-writer-status", errno);
  }
  return above_child_fds(std::move(fd));
}

// Counters change without a wake-up, so this looks every millisecond.
void wait_until(const std::function<bool()>& done, const WriterProcess& writer,
                const std::string& what, std::chrono::milliseconds within) {
  const auto deadline = Clock::now() + within;
  while (!done()) {
    const bool alive = writer.running();
    if (done()) return;  // its last words
    const bool late = Clock::now() >= deadline;
    if (!alive || late) {
      const Counters counters = writer.counters();
      throw Error(late ? Errc::deadline_exceeded : Errc::sqlite_error,
                  "live-writer " + std::to_string(writer.options().writer_id) +
                      (late ? " was too slow to reach " : " ended before it reached ") + what +
                      (counters.other_errors != 0 ? ": " + counters.first_error : ""));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

std::string live_writer_program(const Launch& launch) {
  if (!launch.program.empty()) return launch.program;
  const char* program = std::getenv("SQLBK_LIVE_WRITER");
  if (program != nullptr && *program != '\0') return program;
  throw Error(Errc::usage, "no live-writer program: neither given nor named by SQLBK_LIVE_WRITER");
}

WriterProcess::WriterProcess(LiveWriterOptions options, const Launch& launch)
    : options_(std::move(options)) {
  const std::string program = live_writer_program(launch);
  const UniqueFd status_file = make_status_file();
  status_ = StatusMapping::map(status_file.get(), "live-writer-status");
  options_.status_file = "/proc/self/fd/" + std::to_string(kStatusFd);
  options_.die_with_parent = true;

  Pipe to_child;
  Pipe from_child;
  SpawnSetup setup;
  setup.give(to_child.read_end, STDIN_FILENO);
  setup.give(from_child.write_end, STDOUT_FILENO);
  setup.give(status_file, kStatusFd);
  pid_ = setup.start(program, format_live_writer_options(options_));
  child_stdin_ = std::move(to_child.write_end);
  child_stdout_ = std::move(from_child.read_end);
  from_child.write_end.reset();
  try {
    wait_until_ready(launch.ready_within);
  } catch (...) {
    kill_and_reap();
    throw;
  }
}

WriterProcess::WriterProcess(WriterProcess&& other) noexcept
    : options_(std::move(other.options_)),
      status_(std::move(other.status_)),
      child_stdin_(std::move(other.child_stdin_)),
      child_stdout_(std::move(other.child_stdout_)),
      pid_(std::exchange(other.pid_, 0)) {}

WriterProcess& WriterProcess::operator=(WriterProcess&& other) noexcept {
  if (this != &other) {
    kill_and_reap();
    options_ = std::move(other.options_);
    status_ = std::move(other.status_);
    child_stdin_ = std::move(other.child_stdin_);
    child_stdout_ = std::move(other.child_stdout_);
    pid_ = std::exchange(other.pid_, 0);
  }
  return *this;
}

WriterProcess::~WriterProcess() {
  kill_and_reap();
}

void WriterProcess::wait_until_ready(std::chrono::milliseconds within) {
  const auto deadline = Clock::now() + within;
  std::string said;
  while (said.find('\n') == std::string::npos) {
    if (!wait_readable(child_stdout_.get(), deadline)) {
      throw Error(Errc::deadline_exceeded, "live-writer was not ready in time");
    }
    const std::string more = read_some(child_stdout_.get());
    if (more.empty()) {
      int wait_status = 0;
      if (!reap(kStopWithin, wait_status)) {
        throw Error(Errc::deadline_exceeded, "live-writer closed its output but did not end");
      }
      throw_ended("before it was ready", wait_status);
    }
    said += more;
  }
}

bool WriterProcess::running() const noexcept {
  if (pid_ == 0) return false;
  siginfo_t info{};
  // WNOWAIT: it stays to be reaped.
  const int n = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT);
  return n == 0 && info.si_pid == 0;
}

Committed WriterProcess::committed() const noexcept {
  return {options_.writer_id, status_->committed.load(std::memory_order_acquire)};
}

void WriterProcess::wait_for_commits(std::uint64_t commits,
                                     std::chrono::milliseconds within) const {
  wait_until([&] { return status_->commits.load(std::memory_order_acquire) >= commits; }, *this,
             std::to_string(commits) + " commits", within);
}

void WriterProcess::wait_for_state(WriterState state, std::chrono::milliseconds within) const {
  const auto wanted = static_cast<std::uint64_t>(state);
  wait_until([&] { return status_->state.load(std::memory_order_acquire) == wanted; }, *this,
             "state " + std::to_string(wanted), within);
}

void WriterProcess::signal(int number) const {
  if (pid_ == 0) throw Error(Errc::usage, "live-writer has ended already");
  // Not reaped yet, so the number is still its own.
  if (::kill(pid_, number) != 0) throw system_error("signal", "live-writer", errno);
}

void WriterProcess::pause() {
  signal(SIGSTOP);
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WEXITED | WNOWAIT) != 0) {
    if (errno != EINTR) throw system_error("wait for", "live-writer", errno);
  }
}

void WriterProcess::resume() {
  signal(SIGCONT);
}

bool WriterProcess::reap(std::chrono::milliseconds within, int& wait_status) {
  const auto deadline = Clock::now() + within;
  do {
    if (!wait_readable(child_stdout_.get(), deadline)) return false;
  } while (!read_some(child_stdout_.get()).empty());
  while (::waitpid(pid_, &wait_status, 0) < 0) {
    if (errno != EINTR) throw system_error("wait for", "live-writer", errno);
  }
  pid_ = 0;
  return true;
}

void WriterProcess::kill_and_reap() noexcept {
  if (pid_ == 0) return;
  static_cast<void>(::kill(pid_, SIGKILL));
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
}

void WriterProcess::throw_ended(const std::string& when, int wait_status) const {
  const Counters last = counters();
  std::string how = WIFSIGNALED(wait_status)
                        ? "was killed by signal " + std::to_string(WTERMSIG(wait_status))
                        : "ended with status " + std::to_string(WEXITSTATUS(wait_status));
  Error error(Errc::sqlite_error, "live-writer " + std::to_string(options_.writer_id) + " on " +
                                      quoted(options_.database) + " " + how + " " + when + ", " +
                                      std::to_string(last.other_errors) + " errors" +
                                      (last.other_errors != 0 ? ": " + last.first_error : ""));
  error.with_path(options_.database).with_sqlite_code(static_cast<int>(last.last_error_code));
  throw Error(std::move(error));
}

Counters WriterProcess::stop() {
  // In case it was paused. Not after SIGTERM: LeakSanitizer stops its own process at the end with
  // SIGSTOP, which a late SIGCONT would take away, and both would wait for ever.
  resume();
  signal(SIGTERM);
  int wait_status = 0;
  if (!reap(kStopWithin, wait_status)) {
    kill_and_reap();
    throw Error(Errc::deadline_exceeded, "live-writer did not stop in time");
  }
  Counters last = counters();
  if (wait_status != 0 || last.other_errors != 0) throw_ended("when told to stop", wait_status);
  return last;
}

Counters WriterProcess::kill9() {
  signal(SIGKILL);
  kill_and_reap();
  return counters();
}

std::vector<Committed> committed_by(std::span<const WriterProcess> writers) {
  std::vector<Committed> floor;
  for (const WriterProcess& writer : writers) {
    if (writer.options().role == Role::writer) floor.push_back(writer.committed());
  }
  return floor;
}

}  // namespace sqlbk::kit
