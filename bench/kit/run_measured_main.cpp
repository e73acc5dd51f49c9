// run-measured PROGRAM [ARGUMENT...]: runs it and reports what it took (child_report.hpp).
// A program of its own, and small: up to some kernel, what a child had before its exec(), which is
// a copy of its parent or (with vfork) the parent itself, counts as memory of the child. So it uses
// the C library alone.
#include <cerrno>
#include <ctime>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit/child_report.hpp"

namespace {

using sqlbk::kit::ChildReport;

std::int64_t now_ns() {
  timespec now{};
  static_cast<void>(::clock_gettime(CLOCK_MONOTONIC, &now));
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::int64_t as_ns(const timeval& time) {
  return (std::int64_t{time.tv_sec} * 1'000'000 + time.tv_usec) * 1000;
}

// Small enough to be written whole.
bool send(const ChildReport& report) {
  for (;;) {
    const ssize_t n = ::write(sqlbk::kit::kReportFd, &report, sizeof report);
    if (n == static_cast<ssize_t>(sizeof report)) return true;
    if (n >= 0 || errno != EINTR) return false;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || ::fcntl(sqlbk::kit::kReportFd, F_SETFD, FD_CLOEXEC) != 0) return 2;
  // Whoever started this waits for it; without him nobody wants the result.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return 1;
  ChildReport report;
  const std::int64_t began = now_ns();
  const pid_t pid = ::fork();
  if (pid < 0) {
    report.start_errno = errno;
    return send(report) ? 0 : 1;
  }
  if (pid == 0) {
    static_cast<void>(::prctl(PR_SET_PDEATHSIG, SIGKILL));
    ::execvp(argv[1], argv + 1);
    report.start_errno = errno;
    static_cast<void>(send(report));
    ::_exit(127);
  }
  rusage usage{};
  int status = 0;
  while (::wait4(pid, &status, 0, &usage) < 0) {
    if (errno != EINTR) return 1;
  }
  report.wall_ns = now_ns() - began;
  report.cpu_ns = as_ns(usage.ru_utime) + as_ns(usage.ru_stime);
  report.peak_memory_kib = usage.ru_maxrss;
  report.written_blocks = usage.ru_oublock;
  report.wait_status = status;
  return send(report) ? 0 : 1;
}
