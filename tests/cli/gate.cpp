// Preloaded into sqlbk by the command-line tests (LD_PRELOAD): holds the process at a chosen system
// call, so that a test can do something to it or to its files "in the middle" without any timing.
//
//   SQLBK_GATE_DIRECTORY  the gate makes the file `reached` there and waits for the file `open`
//   SQLBK_GATE_AT         "copy_file_range:2": the second call of that name is held
//   SQLBK_GATE_SLOW_MS    every later call of that name then takes so much longer
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <fcntl.h>
#include <string>
#include <sys/types.h>
#include <unistd.h>

namespace {

long number(const char* text) {
  return std::strtol(text, nullptr, 10);
}

void sleep_ms(long ms) {
  timespec time{ms / 1000, ms % 1000 * 1'000'000};
  while (::nanosleep(&time, &time) != 0 && errno == EINTR) {
  }
}

void hold() {
  const char* directory = std::getenv("SQLBK_GATE_DIRECTORY");
  if (directory == nullptr) return;
  const std::string reached = std::string(directory) + "/reached";
  const std::string open_file = std::string(directory) + "/open";
  const int fd = ::open(reached.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0) static_cast<void>(::close(fd));
  while (::access(open_file.c_str(), F_OK) != 0) sleep_ms(1);
}

void at(const char* call, std::atomic<long>& count) {
  const char* wanted = std::getenv("SQLBK_GATE_AT");
  if (wanted == nullptr) return;
  const std::size_t length = std::strlen(call);
  if (std::strncmp(wanted, call, length) != 0 || wanted[length] != ':') return;
  const long held = number(wanted + length + 1);
  const long now = ++count;
  if (now == held) hold();
  const char* slow = std::getenv("SQLBK_GATE_SLOW_MS");
  if (now > held && slow != nullptr) sleep_ms(number(slow));
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

std::atomic<long> range_calls;
std::atomic<long> pwrite_calls;
std::atomic<long> fsync_calls;
std::atomic<long> rename_calls;

}  // namespace

// With 64-bit offsets the two names of pwrite are the same declaration, so the old one is not here.
extern "C" {

ssize_t copy_file_range(int in_fd, off_t* in_offset, int out_fd, off_t* out_offset,
                        std::size_t length, unsigned flags) {
  at("copy_file_range", range_calls);
  static auto* const real =
      next<ssize_t(int, off_t*, int, off_t*, std::size_t, unsigned)>("copy_file_range");
  return real(in_fd, in_offset, out_fd, out_offset, length, flags);
}

ssize_t pwrite(int fd, const void* data, std::size_t length, off_t offset) {
  at("pwrite", pwrite_calls);
  static auto* const real = next<ssize_t(int, const void*, std::size_t, off_t)>("pwrite64");
  return real(fd, data, length, offset);
}

int fsync(int fd) {
  at("fsync", fsync_calls);
  static auto* const real = next<int(int)>("fsync");
  return real(fd);
}

int renameat2(int old_dir, const char* old_path, int new_dir, const char* new_path,
              unsigned flags) noexcept {
  at("renameat2", rename_calls);
  static auto* const real = next<int(int, const char*, int, const char*, unsigned)>("renameat2");
  return real(old_dir, old_path, new_dir, new_path, flags);
}

}  // extern "C"
