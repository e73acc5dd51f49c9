#include "kit/status.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/unique_fd.hpp"

namespace sqlbk::kit {
namespace {

std::uint64_t now_ns() noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

void raise_to(std::atomic<std::uint64_t>& most, std::uint64_t value) noexcept {
  std::uint64_t seen = most.load(std::memory_order_relaxed);
  while (seen < value && !most.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

UniqueFd open_status_file(const std::string& path, int flags) {
  for (;;) {
    const int fd = ::open(path.c_str(), flags | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) return UniqueFd(fd);
    if (errno != EINTR) throw system_error("open", path, errno);
  }
}

}  // namespace

std::chrono::microseconds Counters::stall_percentile(double share) const noexcept {
  std::uint64_t total = 0;
  for (const std::uint64_t count : stalls) total += count;
  if (total == 0) return {};
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(total)));
  std::uint64_t reached = 0;
  std::size_t bucket = 0;
  for (; bucket + 1 < kStallBuckets; ++bucket) {
    reached += stalls[bucket];
    if (reached >= wanted) break;
  }
  return std::chrono::microseconds(std::uint64_t{1} << bucket);
}

Counters Counters::since(const Counters& earlier) const {
  Counters difference = *this;
  difference.commits -= earlier.commits;
  difference.rollbacks -= earlier.rollbacks;
  difference.checkpoints -= earlier.checkpoints;
  difference.busy_checkpoints -= earlier.busy_checkpoints;
  difference.busy_errors -= earlier.busy_errors;
  difference.other_errors -= earlier.other_errors;
  for (std::size_t i = 0; i < kStallBuckets; ++i) difference.stalls[i] -= earlier.stalls[i];
  return difference;
}

void SharedStatus::begin_stall() noexcept {
  in_flight_since_ns.store(now_ns(), std::memory_order_relaxed);
}

void SharedStatus::end_stall() noexcept {
  const std::uint64_t took = now_ns() - in_flight_since_ns.load(std::memory_order_relaxed);
  raise_to(worst_stall_ns, took);
  // In this order a reader sees the stall in one of the two places, or in both.
  raise_to(window_worst_stall_ns, took);
  in_flight_since_ns.store(0, std::memory_order_release);
  const auto bucket = static_cast<std::size_t>(std::bit_width(took / 1000));
  stalls[std::min(bucket, kStallBuckets - 1)].fetch_add(1, std::memory_order_relaxed);
}

void SharedStatus::forget_stall() noexcept {
  in_flight_since_ns.store(0, std::memory_order_release);
}

void SharedStatus::count_commit(std::uint64_t sequence) noexcept {
  committed.store(sequence, std::memory_order_release);
  commits.fetch_add(1, std::memory_order_release);
}

bool SharedStatus::count_error(const std::string& message, int sqlite_code) noexcept {
  const bool first = other_errors.load(std::memory_order_relaxed) == 0;
  if (first) {
    const std::size_t size = std::min(message.size(), first_error.size() - 1);
    std::copy_n(message.begin(), size, first_error.begin());
    first_error[size] = '\0';
  }
  last_error_code.store(static_cast<std::uint64_t>(sqlite_code), std::memory_order_relaxed);
  other_errors.fetch_add(1, std::memory_order_release);
  return first;
}

Counters SharedStatus::read() const {
  Counters counters;
  counters.state = static_cast<WriterState>(state.load(std::memory_order_acquire));
  counters.committed = committed.load(std::memory_order_acquire);
  counters.commits = commits.load(std::memory_order_acquire);
  counters.rollbacks = rollbacks.load(std::memory_order_relaxed);
  counters.checkpoints = checkpoints.load(std::memory_order_relaxed);
  counters.busy_checkpoints = busy_checkpoints.load(std::memory_order_relaxed);
  counters.busy_errors = busy_errors.load(std::memory_order_relaxed);
  counters.other_errors = other_errors.load(std::memory_order_acquire);
  counters.last_error_code = last_error_code.load(std::memory_order_relaxed);
  if (counters.other_errors != 0) counters.first_error = first_error.data();
  counters.result = static_cast<std::int64_t>(result.load(std::memory_order_acquire));
  counters.worst_stall = std::chrono::nanoseconds(worst_stall_ns.load(std::memory_order_relaxed));
  for (std::size_t i = 0; i < kStallBuckets; ++i) {
    counters.stalls[i] = stalls[i].load(std::memory_order_relaxed);
  }
  return counters;
}

std::chrono::nanoseconds SharedStatus::take_window_worst_stall() noexcept {
  const std::uint64_t since = in_flight_since_ns.load(std::memory_order_acquire);
  std::uint64_t worst = window_worst_stall_ns.exchange(0, std::memory_order_relaxed);
  const std::uint64_t now = now_ns();
  if (since != 0 && now > since) worst = std::max(worst, now - since);
  return std::chrono::nanoseconds(worst);
}

StatusMapping StatusMapping::create(const std::string& path) {
  // Never shortened, not even for a moment: whoever has it mapped would die of SIGBUS.
  const UniqueFd fd = open_status_file(path, O_CREAT);
  struct stat found {};
  if (::fstat(fd.get(), &found) != 0) throw system_error("read", path, errno);
  if (found.st_size == 0 && ::ftruncate(fd.get(), sizeof(SharedStatus)) != 0) {
    throw system_error("extend", path, errno);
  }
  StatusMapping mapping = map(fd.get(), path);
  new (mapping.status_) SharedStatus{};
  return mapping;
}

StatusMapping StatusMapping::open(const std::string& path) {
  return map(open_status_file(path, 0).get(), path);
}

StatusMapping StatusMapping::map(int fd, const std::string& name) {
  struct stat found {};
  if (::fstat(fd, &found) != 0) throw system_error("read", name, errno);
  // Shorter, and the first store would be a SIGBUS.
  if (found.st_size != static_cast<off_t>(sizeof(SharedStatus))) {
    throw Error(Errc::usage, quoted(name) + " is not a status file of a live-writer");
  }
  void* address = ::mmap(nullptr, sizeof(SharedStatus), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) throw system_error("map", name, errno);
  return StatusMapping(static_cast<SharedStatus*>(address));
}

StatusMapping::StatusMapping(StatusMapping&& other) noexcept
    : status_(std::exchange(other.status_, nullptr)) {}

StatusMapping& StatusMapping::operator=(StatusMapping&& other) noexcept {
  std::swap(status_, other.status_);
  return *this;
}

StatusMapping::~StatusMapping() {
  if (status_ != nullptr) static_cast<void>(::munmap(status_, sizeof(SharedStatus)));
}

}  // namespace sqlbk::kit
