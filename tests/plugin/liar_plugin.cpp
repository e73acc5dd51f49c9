// Movers and steps that keep their promises, and some that break one each. Named after what they
// do.
#include <array>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "sqlbk/plugin/abi.h"

namespace {

// ---- movers -------------------------------------------------------------------------------------

using Job = sqlbk_move_job;
using Host = sqlbk_host;

// Moves up to `most` bytes of the range; returns how many.
std::uint64_t move_bytes(const Job& job, std::uint64_t most) {
  std::vector<char> buffer(static_cast<std::size_t>(std::min(most, job.length_bytes)));
  const auto offset = static_cast<off_t>(job.offset_bytes);
  const ssize_t got = ::pread(job.in_fd, buffer.data(), buffer.size(), offset);
  if (got < 0 ||
      ::pwrite(job.out_fd, buffer.data(), static_cast<std::size_t>(got), offset) != got) {
    throw std::runtime_error("the file system of the test does not work");
  }
  return static_cast<std::uint64_t>(got);
}

std::int32_t honest(const Job& job, const Host* host, sqlbk_moved& moved) {
  host->log(host, SQLBK_LOG_WARNING, "two\nlines\x1b");
  moved.bytes = move_bytes(job, job.length_bytes);
  return SQLBK_MOVE_DONE;
}

std::int32_t piecewise(const Job& job, const Host* host, sqlbk_moved& moved) {
  moved.bytes = move_bytes(job, 5000);
  host->tick(host, moved.bytes);
  return SQLBK_MOVE_DONE;
}

std::int32_t unsupported(const Job&, const Host*, sqlbk_moved&) {
  return SQLBK_MOVE_UNSUPPORTED;
}

std::int32_t says_more(const Job& job, const Host*, sqlbk_moved& moved) {
  moved.bytes = move_bytes(job, job.length_bytes) + 1;
  return SQLBK_MOVE_DONE;
}

std::int32_t writes_nothing(const Job& job, const Host*, sqlbk_moved& moved) {
  moved.bytes = job.length_bytes;
  return SQLBK_MOVE_DONE;
}

std::int32_t writes_behind(const Job& job, const Host*, sqlbk_moved& moved) {
  moved.bytes = move_bytes(job, job.length_bytes);
  const auto end = static_cast<off_t>(job.offset_bytes + job.length_bytes);
  return ::pwrite(job.out_fd, "x", 1, end) == 1 ? SQLBK_MOVE_DONE : SQLBK_MOVE_FAILED;
}

std::int32_t stops_early(const Job& job, const Host*, sqlbk_moved& moved) {
  moved.bytes = job.offset_bytes < 4096 ? move_bytes(job, 4096 - job.offset_bytes) : 0;
  return SQLBK_MOVE_DONE;
}

std::int32_t gives_up_late(const Job& job, const Host*, sqlbk_moved&) {
  static_cast<void>(move_bytes(job, 4096));
  return SQLBK_MOVE_UNSUPPORTED;
}

std::int32_t gives_up_counted(const Job&, const Host* host, sqlbk_moved&) {
  host->tick(host, 1);
  return SQLBK_MOVE_UNSUPPORTED;
}

std::int32_t gives_up_the_rest(const Job& job, const Host*, sqlbk_moved& moved) {
  if (job.offset_bytes > 0) return SQLBK_MOVE_UNSUPPORTED;
  moved.bytes = move_bytes(job, 4096);
  return SQLBK_MOVE_DONE;
}

std::int32_t fails(const Job& job, const Host* host, sqlbk_moved& moved) {
  moved.bytes = move_bytes(job, 4096);
  moved.os_errno = ENOSPC;
  host->finding(host, "the shelf is full");
  return SQLBK_MOVE_FAILED;
}

std::int32_t fails_silently(const Job&, const Host*, sqlbk_moved&) {
  return SQLBK_MOVE_FAILED;
}

std::int32_t throws(const Job&, const Host*, sqlbk_moved&) {
  throw std::runtime_error("thrown by a mover");
}

std::int32_t throws_a_number(const Job&, const Host*, sqlbk_moved&) {
  throw 42;
}

std::int32_t nonsense(const Job&, const Host*, sqlbk_moved&) {
  return 42;
}

std::int32_t swaps_output(const Job& job, const Host*, sqlbk_moved& moved) {
  const int other = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  const bool swapped = other >= 0 && ::dup2(other, job.out_fd) >= 0;
  ::close(other);
  moved.bytes = job.length_bytes;
  return swapped ? SQLBK_MOVE_DONE : SQLBK_MOVE_FAILED;
}

// Does not stop when it is told to, and says what it was told.
std::int32_t deaf(const Job& job, const Host* host, sqlbk_moved& moved) {
  host->log(host, SQLBK_LOG_INFO, "before the ticks");
  const std::int32_t first = host->tick(host, 0);
  const std::int32_t second = host->tick(host, 0);
  moved.bytes = move_bytes(job, job.length_bytes);
  const std::string told = "told " + std::to_string(first) + " " + std::to_string(second);
  host->log(host, SQLBK_LOG_INFO, told.c_str());
  return SQLBK_MOVE_DONE;
}

std::int32_t boasts(const Job& job, const Host* host, sqlbk_moved& moved) {
  host->tick(host, job.length_bytes * 3);
  host->tick(host, UINT64_MAX);
  moved.bytes = move_bytes(job, job.length_bytes);
  host->log(host, SQLBK_LOG_INFO, "counted");
  return SQLBK_MOVE_DONE;
}

using MoveFunction = std::int32_t (*)(const Job&, const Host*, sqlbk_moved&);

struct Mover {
  sqlbk_mover abi;  // first: `self` points to it
  MoveFunction function;
};

std::int32_t call_mover(const sqlbk_mover* self, const Job* job, const Host* host,
                        sqlbk_moved* moved) {
  return reinterpret_cast<const Mover*>(self)->function(*job, host, *moved);
}

constexpr Mover mover(const char* name, MoveFunction function, std::uint32_t traits = 0) {
  return {{.size = sizeof(sqlbk_mover),
           .traits = traits,
           .name = name,
           .summary = "of the tests",
           .move = call_mover},
          function};
}

constexpr std::array kMovers{
    mover("honest", honest),
    mover("piecewise", piecewise, SQLBK_MOVER_SHARES_EXTENTS),
    mover("unsupported", unsupported),
    mover("says_more", says_more),
    mover("writes_nothing", writes_nothing),
    mover("writes_behind", writes_behind),
    mover("stops_early", stops_early),
    mover("gives_up_late", gives_up_late),
    mover("gives_up_counted", gives_up_counted),
    mover("gives_up_the_rest", gives_up_the_rest),
    mover("fails", fails),
    mover("fails_silently", fails_silently),
    mover("throws", throws),
    mover("throws_a_number", throws_a_number),
    mover("nonsense", nonsense),
    mover("swaps_output", swaps_output),
    mover("deaf", deaf),
    mover("boasts", boasts),
};

// ---- steps --------------------------------------------------------------------------------------

std::string beside(const sqlbk_step_job& job, const char* suffix) {
  return std::string(job.main_path) + suffix;
}

void write_file(const std::string& path, off_t offset, const std::string& bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const bool written = fd >= 0 && ::pwrite(fd, bytes.data(), bytes.size(), offset) ==
                                      static_cast<ssize_t>(bytes.size());
  if (fd >= 0) ::close(fd);
  if (!written) throw std::runtime_error("the file system of the test does not work");
}

off_t size_of(const char* path) {
  struct stat file {};
  if (::stat(path, &file) != 0) throw std::runtime_error("no file");
  return file.st_size;
}

// Finds what every step is promised about its job.
std::int32_t sound(const sqlbk_step_job& job, const Host* host) {
  if (job.size != sizeof(sqlbk_step_job) || size_of(job.main_path) < 512) return SQLBK_STEP_DAMAGED;
  host->finding(host, ("argument [" + std::string(job.argument) + "]").c_str());
  host->log(host, 77, "levels that sqlbk does not know");
  return host->tick(host, 0) == 0 ? SQLBK_STEP_OK : SQLBK_STEP_DAMAGED;
}

std::int32_t damaged(const sqlbk_step_job&, const Host* host) {
  host->finding(host, "page 7 is\nupside down");
  host->finding(host, "page 8, too");
  return SQLBK_STEP_DAMAGED;
}

std::int32_t damaged_silently(const sqlbk_step_job&, const Host*) {
  return SQLBK_STEP_DAMAGED;
}

std::int32_t unchecked(const sqlbk_step_job&, const Host* host) {
  host->finding(host, "the lamp is broken");
  return SQLBK_STEP_COULD_NOT_CHECK;
}

std::int32_t skipped(const sqlbk_step_job&, const Host*) {
  return SQLBK_STEP_SKIPPED;
}

std::int32_t bad_answer(const sqlbk_step_job&, const Host*) {
  return -1;
}

std::int32_t step_throws(const sqlbk_step_job&, const Host*) {
  throw std::runtime_error("thrown by a step");
}

// The user version in the header, which nothing else depends on.
std::int32_t sets_version(const sqlbk_step_job& job, const Host*) {
  write_file(job.main_path, 60, std::string("\0\0\0\x2a", 4));
  return SQLBK_STEP_OK;
}

std::int32_t leaves_rubbish(const sqlbk_step_job& job, const Host*) {
  write_file(beside(job, "-shm"), 0, "index");
  write_file(beside(job, "-wal"), 0, "");
  write_file(beside(job, "-journal"), 0, "");
  return SQLBK_STEP_OK;
}

std::int32_t appends(const sqlbk_step_job& job, const Host*) {
  write_file(job.main_path, size_of(job.main_path), "x");
  return SQLBK_STEP_OK;
}

std::int32_t leaves_wal(const sqlbk_step_job& job, const Host*) {
  write_file(beside(job, "-wal"), 0, "frames");
  return SQLBK_STEP_OK;
}

std::int32_t leaves_journal(const sqlbk_step_job& job, const Host*) {
  write_file(beside(job, "-journal"), 0, "pages");
  return SQLBK_STEP_OK;
}

std::int32_t removes_main(const sqlbk_step_job& job, const Host*) {
  return std::remove(job.main_path) == 0 ? SQLBK_STEP_OK : SQLBK_STEP_COULD_NOT_CHECK;
}

std::int32_t replaces_main(const sqlbk_step_job& job, const Host*) {
  const std::string other = beside(job, "-other");
  write_file(other, 0, "another file");
  return std::rename(other.c_str(), job.main_path) == 0 ? SQLBK_STEP_OK
                                                        : SQLBK_STEP_COULD_NOT_CHECK;
}

std::int32_t takes_yes(const sqlbk_step*, const char* argument, const Host* host) {
  if (std::string(argument) == "throw") throw std::runtime_error("thrown by a check");
  if (std::string(argument) == "yes") return 0;
  host->finding(host, "only yes will do");
  return 1;
}

using StepFunction = std::int32_t (*)(const sqlbk_step_job&, const Host*);

struct Step {
  sqlbk_step abi;  // first: `self` points to it
  StepFunction function;
};

std::int32_t call_step(const sqlbk_step* self, const sqlbk_step_job* job, const Host* host) {
  return reinterpret_cast<const Step*>(self)->function(*job, host);
}

constexpr Step step(const char* name, StepFunction function, std::uint32_t traits = 0,
                    const char* argument = nullptr,
                    decltype(sqlbk_step::check_argument) check = nullptr) {
  return {{.size = sizeof(sqlbk_step),
           .traits = traits,
           .name = name,
           .summary = "of the tests",
           .argument = argument,
           .check_argument = check,
           .run = call_step},
          function};
}

constexpr std::uint32_t kChanges = SQLBK_STEP_CHANGES_IMAGE | SQLBK_STEP_READS_CONTENT;

constexpr std::array kSteps{
    step("sound", sound, SQLBK_STEP_READS_CONTENT, "ANYTHING"),
    step("takes_yes", sound, 0, "yes", takes_yes),
    step("damaged", damaged),
    step("damaged_silently", damaged_silently),
    step("unchecked", unchecked),
    step("skipped", skipped),
    step("bad_answer", bad_answer),
    step("throws", step_throws),
    step("sets_version", sets_version, kChanges),
    step("leaves_rubbish", leaves_rubbish),
    step("appends", appends),
    step("leaves_wal", leaves_wal, kChanges),
    step("leaves_journal", leaves_journal, kChanges),
    step("removes_main", removes_main, kChanges),
    step("replaces_main", replaces_main, kChanges),
};

// ---- the plug-in --------------------------------------------------------------------------------

template <typename Abi, typename Parts>
constexpr auto pointers_to(const Parts& parts) {
  std::array<const Abi*, std::tuple_size_v<Parts>> pointers{};
  for (std::size_t i = 0; i < parts.size(); ++i) pointers[i] = &parts[i].abi;
  return pointers;
}

constexpr auto kMoverList = pointers_to<sqlbk_mover>(kMovers);
constexpr auto kStepList = pointers_to<sqlbk_step>(kSteps);

constexpr sqlbk_plugin kPlugin{.size = sizeof(sqlbk_plugin),
                               .abi = SQLBK_PLUGIN_ABI,
                               .name = "liar",
                               .version = "1.0",
                               .mover_count = kMoverList.size(),
                               .step_count = kStepList.size(),
                               .movers = kMoverList.data(),
                               .steps = kStepList.data()};

}  // namespace

extern "C" const sqlbk_plugin* sqlbk_plugin_entry_v1(const sqlbk_host*) {
  return &kPlugin;
}
