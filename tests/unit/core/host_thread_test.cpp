#include "sqlbk/core/host_thread.hpp"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdexcept>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "errors.hpp"
#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "process.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/unique_fd.hpp"

namespace sqlbk {
namespace {

std::string what_is_thrown(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing";
}

TEST(RunIsolated, RunsOnAnotherThreadAndWaits) {
  std::thread::id id;
  run_isolated([&](HostThread* host) {
    EXPECT_NE(host, nullptr);
    id = std::this_thread::get_id();
  });
  EXPECT_NE(id, std::thread::id());
  EXPECT_NE(id, std::this_thread::get_id());
}

TEST(RunIsolated, ThrowsWhatTheWorkThrows) {
  EXPECT_EQ(what_is_thrown([] {
              run_isolated([](HostThread*) { throw std::runtime_error("from the inside"); });
            }),
            "from the inside");
  EXPECT_EQ(
      test::code_of([] { run_isolated([](HostThread*) { throw Error(Errc::no_space, "full"); }); }),
      Errc::no_space);
}

TEST(RunIsolated, CallRunsOnTheCallingThread) {
  const std::thread::id here = std::this_thread::get_id();
  int calls = 0;
  run_isolated([&](HostThread* host) {
    for (int i = 0; i < 1000; ++i) {
      host->call([&] {
        if (std::this_thread::get_id() == here) ++calls;
      });
      ASSERT_EQ(calls, i + 1) << "call() returns when the work is done";
    }
  });
  EXPECT_EQ(calls, 1000);
}

TEST(RunIsolated, CallThrowsWhatItsWorkThrowsAndCanBeCalledAgain) {
  int calls = 0;
  run_isolated([&](HostThread* host) {
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(what_is_thrown([&] { host->call([] { throw std::runtime_error("at home"); }); }),
                "at home");
      EXPECT_EQ(what_is_thrown([&] { host->call([&] { ++calls; }); }), "nothing");
    }
  });
  EXPECT_EQ(calls, 3);
}

TEST(RunIsolated, AnExceptionFromTheHostGoesThroughBothThreads) {
  EXPECT_EQ(what_is_thrown([] {
              run_isolated([](HostThread* host) {
                host->call([] { throw std::runtime_error("there and back"); });
                FAIL() << "call() did not throw";
              });
            }),
            "there and back");
}

TEST(RunIsolated, CanBeNestedThroughTheHost) {
  bool inner = false;
  run_isolated([&](HostThread* host) {
    host->call([&] { run_isolated([&](HostThread* other) { inner = other != nullptr; }); });
  });
  EXPECT_TRUE(inner);
}

TEST(RunIsolated, TheDescriptorTablesAreApart) {
  const kit::TemporaryDirectory directory;
  test::write_text(directory.file("file"), "text");
  const UniqueFd ours(::open(directory.file("file").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(ours);
  const int before = test::descriptors();
  run_isolated([&](HostThread* host) {
    EXPECT_EQ(::fcntl(ours.get(), F_GETFD), -1) << "the host's are not there";
    EXPECT_EQ(errno, EBADF);
    for (int fd = 0; fd < 3; ++fd) EXPECT_NE(::fcntl(fd, F_GETFD), -1) << fd;
    EXPECT_EQ(test::descriptors(), 3);
    const UniqueFd theirs(::open(directory.file("file").c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_TRUE(theirs);
    host->call([&] {
      EXPECT_EQ(test::descriptors(), before) << "and theirs are not here";
      EXPECT_NE(::fcntl(ours.get(), F_GETFD), -1);
    });
  });
  EXPECT_EQ(test::descriptors(), before);
}

// A daemon's standard descriptors may be closed: no file of ours gets such a number.
TEST(RunIsolated, NoFileTakesTheNumberOfAStandardDescriptor) {
  EXPECT_EQ(test::in_child([] {
              static_cast<void>(::close(0));
              static_cast<void>(::close(2));
              int lowest = -1;
              run_isolated([&](HostThread*) {
                const UniqueFd fd(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
                lowest = fd.get();
              });
              return lowest > 2 && ::fcntl(0, F_GETFD) == -1 ? 0 : 1;
            }),
            0);
}

// A sandbox whose system call filter does not know close_range(2).
bool forbid_close_range() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_close_range, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = std::size(code), .filter = code};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(RunIsolated, WithoutATableOfItsOwnTheWorkRunsHere) {
  constexpr int kCannotFilter = 42;
  const int code = test::in_child([] {
    if (!forbid_close_range()) return kCannotFilter;
    const std::thread::id here = std::this_thread::get_id();
    int runs = 0;
    run_isolated([&](HostThread* host) {
      if (host == nullptr && std::this_thread::get_id() == here) ++runs;
    });
    if (runs != 1) return 1;
    const std::string thrown = what_is_thrown(
        [] { run_isolated([](HostThread*) { throw std::runtime_error("still thrown"); }); });
    return thrown == "still thrown" ? 0 : 2;
  });
  if (code == kCannotFilter) GTEST_SKIP() << "this kernel has no seccomp filters";
  EXPECT_EQ(code, 0);
}

bool has_size_limit(rlim_t bytes) {
  const rlimit limit{bytes, bytes};
  return ::setrlimit(RLIMIT_FSIZE, &limit) == 0;
}

int errno_of_a_write(const std::string& path, std::size_t size_bytes) {
  try {
    const UniqueFd fd = open_at(AT_FDCWD, path, O_WRONLY | O_CREAT, 0600, path);
    write_all(fd.get(), std::vector<std::byte>(size_bytes), 0, path);
    return 0;
  } catch (const Error& error) {
    return error.os_errno();
  }
}

bool is_file_size_signal_pending() {
  sigset_t pending;
  return ::sigpending(&pending) != 0 || sigismember(&pending, SIGXFSZ) == 1;
}

// The default of SIGXFSZ ends the process, and the disposition is the host's.
TEST(RunIsolated, AWriteBeyondTheLimitIsAnErrorOnEveryThread) {
  const kit::TemporaryDirectory directory;
  const int code = test::in_child([&] {
    if (!has_size_limit(4096)) return 1;
    int errors = 0;
    const auto write = [&] {
      if (errno_of_a_write(directory.file("file"), 8192) == EFBIG) ++errors;
    };
    run_isolated([&](HostThread* host) {
      write();
      host->call(write);
      std::thread(write).join();
    });
    return errors == 3 && !is_file_size_signal_pending() ? 0 : 2;
  });
  EXPECT_EQ(code, 0);
}

TEST(RunIsolated, WithoutATableOfItsOwnAWriteBeyondTheLimitIsAnErrorToo) {
  constexpr int kCannotFilter = 42;
  const kit::TemporaryDirectory directory;
  const int code = test::in_child([&] {
    if (!forbid_close_range()) return kCannotFilter;
    if (!has_size_limit(4096)) return 1;
    int errors = 0;
    run_isolated([&](HostThread*) {
      if (errno_of_a_write(directory.file("file"), 8192) == EFBIG) ++errors;
    });
    return errors == 1 && !is_file_size_signal_pending() ? 0 : 2;
  });
  if (code == kCannotFilter) GTEST_SKIP() << "this kernel has no seccomp filters";
  EXPECT_EQ(code, 0);
}

TEST(RunIsolated, AfterwardsTheSignalIsTheHostsAgain) {
  EXPECT_EQ(test::in_child([] {
              sigset_t blocked;
              run_isolated([](HostThread* host) { host->call([] {}); });
              if (::pthread_sigmask(SIG_SETMASK, nullptr, &blocked) != 0) return 1;
              return sigismember(&blocked, SIGXFSZ) == 0 ? 0 : 2;
            }),
            0);
}

// There the second line of defence holds: LiveFiles keeps descriptors of locked files open.
TEST(RunIsolated, WithoutATableOfItsOwnLocksAreKeptAllTheSame) {
  constexpr int kCannotFilter = 42;
  const kit::TemporaryDirectory directory;
  const std::string path = directory.file("source.db");
  test::write_text(path, "main");
  const int code = test::in_child([&] {
    if (!forbid_close_range()) return kCannotFilter;
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    struct flock lock {};
    lock.l_type = F_RDLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 0x40000002;
    lock.l_len = 510;
    if (::fcntl(fd.get(), F_SETLK, &lock) != 0) return 1;
    const auto before = test::own_posix_locks();
    run_isolated([&](HostThread*) { const LiveFiles files(path); });
    return !before.empty() && test::own_posix_locks() == before ? 0 : 2;
  });
  if (code == kCannotFilter) GTEST_SKIP() << "this kernel has no seccomp filters";
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace sqlbk
