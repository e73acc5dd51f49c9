#include "kit/spawn.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>
#include <utility>

#include "sqlbk/core/error.hpp"

namespace sqlbk::kit {
namespace {

using Clock = std::chrono::steady_clock;

void require(int problem) {
  if (problem != 0) throw system_error("prepare to start", "a child process", problem);
}

}  // namespace

UniqueFd above_child_fds(UniqueFd fd) {
  const int moved = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, kFirstChildFd + 1);
  if (moved < 0) throw system_error("duplicate a descriptor for", "a child process", errno);
  return UniqueFd(moved);
}

Pipe::Pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw system_error("create", "a pipe", errno);
  UniqueFd first(ends[0]);
  UniqueFd second(ends[1]);
  read_end = above_child_fds(std::move(first));
  write_end = above_child_fds(std::move(second));
}

SpawnSetup::SpawnSetup() {
  require(::posix_spawn_file_actions_init(&actions_));
  require(::posix_spawnattr_init(&attributes_));
  // Whatever the parent blocks or ignores, the child must hear SIGTERM.
  sigset_t none;
  sigset_t defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  for (const int number : {SIGTERM, SIGINT, SIGPIPE}) sigaddset(&defaults, number);
  require(::posix_spawnattr_setsigmask(&attributes_, &none));
  require(::posix_spawnattr_setsigdefault(&attributes_, &defaults));
  flags_ = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
}

SpawnSetup::~SpawnSetup() {
  static_cast<void>(::posix_spawn_file_actions_destroy(&actions_));
  static_cast<void>(::posix_spawnattr_destroy(&attributes_));
}

void SpawnSetup::give(const UniqueFd& fd, int as) {
  require(::posix_spawn_file_actions_adddup2(&actions_, fd.get(), as));
}

void SpawnSetup::give_file(const std::string& path, int flags, int as) {
  require(::posix_spawn_file_actions_addopen(&actions_, as, path.c_str(), flags, 0));
}

void SpawnSetup::in_own_group() {
  require(::posix_spawnattr_setpgroup(&attributes_, 0));
  flags_ = static_cast<short>(flags_ | POSIX_SPAWN_SETPGROUP);
}

pid_t SpawnSetup::start(const std::string& program, const std::vector<std::string>& arguments) {
  require(::posix_spawnattr_setflags(&attributes_, flags_));
  std::vector<std::string> words{program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int problem =
      ::posix_spawn(&pid, program.c_str(), &actions_, &attributes_, argv.data(), environ);
  if (problem != 0) throw system_error("start", program, problem);
  return pid;
}

bool wait_readable(int fd, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd waiting{fd, POLLIN, 0};
    const int n = ::poll(&waiting, 1, left > 0 ? static_cast<int>(left) : 0);
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) throw system_error("wait for", "a child process", errno);
    if (n == 0 && Clock::now() >= deadline) return false;
  }
}

std::string read_some(int fd) {
  std::array<char, 256> buffer{};
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n >= 0) return {buffer.data(), static_cast<std::size_t>(n)};
    if (errno != EINTR) throw system_error("read from", "a child process", errno);
  }
}

}  // namespace sqlbk::kit
