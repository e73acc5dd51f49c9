// Preloaded into sqlbk by the command-line tests (LD_PRELOAD): holds the process at a chosen system
// call, so that a test can do something to it or to its files "in the middle" without any timing.
//
//   SQLBK_GATE_DIRECTORY  the gate makes the file `reached` there and waits for the file `open`
//   SQLBK_GATE_AT         "copy_file_range:2": the second call of that name is held
//   SQLBK_GATE_SLOW_MS    every later call of that name then takes so much longer
//   SQLBK_GATE_FAIL       "fsync:3:5": the third call of that name fails with errno 5
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

// What follows "CALL:" in the variable; nullptr: it is not about this call.
const char* about(const char* variable, const char* call) {
  const char* wanted = std::getenv(variable);
  const std::size_t length = std::strlen(call);
  const bool is_it =
      wanted != nullptr && std::strncmp(wanted, call, length) == 0 && wanted[length] == ':';
  return is_it ? wanted + length + 1 : nullptr;
}

void hold_at(const char* call, long now) {
  const char* wanted = about("SQLBK_GATE_AT", call);
  if (wanted == nullptr) return;
  const long held = number(wanted);
  if (now == held) hold();
  const char* slow = std::getenv("SQLBK_GATE_SLOW_MS");
  if (now > held && slow != nullptr) sleep_ms(number(slow));
}

// True: this call is to fail, and errno says how.
bool fails(const char* call, std::atomic<long>& count) {
  const long now = ++count;
  hold_at(call, now);
  const char* wanted = about("SQLBK_GATE_FAIL", call);
  if (wanted == nullptr || now != number(wanted)) return false;
  const char* const colon = std::strchr(wanted, ':');
  errno = colon != nullptr ? static_cast<int>(number(colon + 1)) : EIO;
  return true;
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

std::atomic<long> range_calls;
std::atomic<long> pwrite_calls;
std::atomic<long> fsync_calls;
std::atomic<long> rename_calls;
std::atomic<long> flock_calls;

}  // namespace

// With 64-bit offsets the two names of pwrite are the same declaration, so the old one is not here.
extern "C" {

ssize_t copy_file_range(int in_fd, off_t* in_offset, int out_fd, off_t* out_offset,
                        std::size_t length, unsigned flags) {
  if (fails("copy_file_range", range_calls)) return -1;
  static auto* const real =
      next<ssize_t(int, off_t*, int, off_t*, std::size_t, unsigned)>("copy_file_range");
  return real(in_fd, in_offset, out_fd, out_offset, length, flags);
}

ssize_t pwrite(int fd, const void* data, std::size_t length, off_t offset) {
  if (fails("pwrite", pwrite_calls)) return -1;
  static auto* const real = next<ssize_t(int, const void*, std::size_t, off_t)>("pwrite64");
  return real(fd, data, length, offset);
}

int fsync(int fd) {
  if (fails("fsync", fsync_calls)) return -1;
  static auto* const real = next<int(int)>("fsync");
  return real(fd);
}

int renameat2(int old_dir, const char* old_path, int new_dir, const char* new_path,
              unsigned flags) noexcept {
  if (fails("renameat2", rename_calls)) return -1;
  static auto* const real = next<int(int, const char*, int, const char*, unsigned)>("renameat2");
  return real(old_dir, old_path, new_dir, new_path, flags);
}

// Under another name here: <fcntl.h> has a type of this one.
int gate_flock(int fd, int operation) noexcept __asm__("flock");
int gate_flock(int fd, int operation) noexcept {
  if (fails("flock", flock_calls)) return -1;
  static auto* const real = next<int(int, int)>("flock");
  return real(fd, operation);
}

}  // extern "C"
