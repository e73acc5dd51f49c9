#include "kit/child.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <signal.h>
#include <string>
#include <sys/file.h>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "kit/temporary_directory.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/unique_fd.hpp"

namespace sqlbk::kit {
namespace {

using namespace std::chrono_literals;

ChildResult shell(const std::string& script, const ChildOptions& options = {}) {
  return run_child({"sh", "-c", script}, options);
}

TEST(Child, HowItEndsAndWhatItSaysAreTold) {
  const ChildResult good = shell("echo out; echo err >&2");
  EXPECT_TRUE(good.good());
  EXPECT_EQ(good.output, "out\n");
  EXPECT_EQ(good.errors, "err\n");
  EXPECT_GT(good.wall.count(), 0);

  const ChildResult bad = shell("echo 'no, thanks' >&2; exit 7");
  EXPECT_EQ(bad.end, ChildEnd::exited);
  EXPECT_EQ(bad.code, 7);
  EXPECT_EQ(bad.explain(), "no, thanks");
  EXPECT_EQ(shell("exit 7").explain(), "exit status 7");

  const ChildResult killed = shell("kill -SEGV $$");
  EXPECT_EQ(killed.end, ChildEnd::killed);
  EXPECT_EQ(killed.code, SIGSEGV);
  EXPECT_FALSE(killed.good());

  const ChildResult missing = run_child({"there-is-no-such-program"});
  EXPECT_EQ(missing.end, ChildEnd::not_started);
  EXPECT_EQ(missing.code, ENOENT);
}

TEST(Child, OutputBeyondTheLimitIsThrownAwayAndStopsNobody) {
  const ChildResult result = shell("head -c 1000000 /dev/zero; echo end >&2");
  EXPECT_TRUE(result.good());
  EXPECT_EQ(result.output.size(), std::size_t{16} << 10U);
  EXPECT_EQ(result.errors, "end\n");
}

TEST(Child, TheParentsMemoryIsNotTheChilds) {
  constexpr std::size_t kMuch = std::size_t{256} << 20U;
  std::vector<char> much(kMuch);
  std::memset(much.data(), 1, much.size());
  EXPECT_EQ(much[kMuch / 2], 1);  // so that it really is there
  const ChildResult small = run_child({"true"});
  ASSERT_TRUE(small.good());
  EXPECT_GT(small.peak_memory_bytes, 0U);
  EXPECT_LT(small.peak_memory_bytes, std::uint64_t{16} << 20U);
}

TEST(Child, MemoryAndProcessorOfGrandchildrenCount) {
  const ChildResult result = shell("head -c 60000000 /dev/zero | tail -c 50000000 | wc -c; exit 0");
  ASSERT_TRUE(result.good());
  EXPECT_GT(result.peak_memory_bytes, std::uint64_t{40} << 20U);  // tail keeps it all
  EXPECT_GT(result.cpu.count(), 0);
}

TEST(Child, AtTheDeadlineItIsKilledWithAllThatItStarted) {
  const TemporaryDirectory directory;
  const std::string lock = directory.file("lock");
  ChildOptions options;
  options.deadline = 300ms;
  // The grandchild holds the lock as long as it lives.
  const ChildResult result = shell("(flock 9; sleep 1000) 9>'" + lock + "' & wait", options);
  EXPECT_EQ(result.end, ChildEnd::timed_out);
  EXPECT_FALSE(result.good());
  EXPECT_GE(result.wall, 300ms);
  const UniqueFd fd(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(fd);
  const auto give_up = std::chrono::steady_clock::now() + 60s;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    ASSERT_LT(std::chrono::steady_clock::now(), give_up) << "the grandchild lives on";
    std::this_thread::sleep_for(1ms);
  }
}

TEST(Child, SomebodyWhoKeepsThePipesOpenIsNotWaitedFor) {
  const ChildResult result = shell("sleep 1000 & echo done");
  EXPECT_TRUE(result.good());
  EXPECT_EQ(result.output, "done\n");
}

TEST(Child, ACancelEndsItAtOnce) {
  CancelToken cancel;
  cancel.request();
  ChildOptions options;
  options.cancel = &cancel;
  try {
    static_cast<void>(shell("sleep 1000", options));
    FAIL() << "no exception";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::interrupted);
  }
}

}  // namespace
}  // namespace sqlbk::kit
