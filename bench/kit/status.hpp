// What a live-writer tells about itself while it runs, in a file that both sides map: it costs the
// writer a few stores a transaction and the reader no system call.
// Units: times in nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace sqlbk::kit {

enum class WriterState : std::uint64_t {
  starting,
  running,
  staying,  // all transactions done, idle, connection open
  holding,  // all transactions done, inside an open write transaction
  stopped,  // the connection is closed
};

// Stalls by size: bucket 0 holds those below 1 µs, bucket i those of 2^(i-1) to 2^i - 1 µs, the
// last one all longer ones.
inline constexpr std::size_t kStallBuckets = 40;

// A copy of all counters, not of one instant: each is exact by itself.
struct Counters {
  WriterState state = WriterState::starting;
  std::uint64_t committed = 0;         // sequence number of the last COMMIT that returned OK
  std::uint64_t commits = 0;           // of this process
  std::uint64_t rollbacks = 0;         // whole transactions, on purpose
  std::uint64_t checkpoints = 0;       // calls that returned OK
  std::uint64_t busy_checkpoints = 0;  // calls that returned SQLITE_BUSY
  std::uint64_t busy_errors = 0;       // SQLITE_BUSY from BEGIN or COMMIT, after the busy timeout
  std::uint64_t other_errors = 0;      // what no owner of a database must ever see
  std::uint64_t last_error_code = 0;   // SQLite's extended code of the last of the other errors
  std::string first_error;             // the text of the first of them
  std::int64_t result = 0;             // zero-salt: the sum that the live database has
  std::chrono::nanoseconds worst_stall{};
  std::array<std::uint64_t, kStallBuckets> stalls{};

  // The upper end of the bucket in which the given share of all stalls is reached; 0 if there are
  // none. REQUIRES: 0 < share <= 1.
  std::chrono::microseconds stall_percentile(double share) const noexcept;
  // The stalls since `earlier`, for percentiles of a window.
  Counters since(const Counters& earlier) const;
};

// The mapped layout. A stall is the time from the first try of BEGIN IMMEDIATE to the return of the
// COMMIT that made it (of a checkpointer: of one checkpoint call). Zero bytes are a valid start.
struct SharedStatus {
  std::atomic<std::uint64_t> state;
  std::atomic<std::uint64_t> committed;
  std::atomic<std::uint64_t> commits;
  std::atomic<std::uint64_t> rollbacks;
  std::atomic<std::uint64_t> checkpoints;
  std::atomic<std::uint64_t> busy_checkpoints;
  std::atomic<std::uint64_t> busy_errors;
  std::atomic<std::uint64_t> other_errors;
  std::atomic<std::uint64_t> last_error_code;
  std::atomic<std::uint64_t> result;
  std::atomic<std::uint64_t> in_flight_since_ns;  // start of the stall going on; 0: none
  std::atomic<std::uint64_t> worst_stall_ns;
  std::atomic<std::uint64_t> window_worst_stall_ns;  // the reader sets it back
  std::array<std::atomic<std::uint64_t>, kStallBuckets> stalls;
  std::array<char, 1024> first_error;  // written before other_errors becomes 1

  void begin_stall() noexcept;
  // The stall is over and counts.
  void end_stall() noexcept;
  // It is over and does not count: the transaction was not to commit.
  void forget_stall() noexcept;
  // After COMMIT returned OK.
  void count_commit(std::uint64_t sequence) noexcept;
  // True: this was the first.
  bool count_error(const std::string& message, int sqlite_code) noexcept;

  Counters read() const;
  // The worst stall since the last call, the one going on included: so a stall that outlives
  // several windows shows in each of them. Time in SIGSTOP counts like any other.
  std::chrono::nanoseconds take_window_worst_stall() noexcept;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "shared between processes");

// A SharedStatus in a mapped file. Ownership: the mapping only. Thread-safety: any number of
// threads may read; one process writes.
class StatusMapping {
 public:
  // Makes the file if it is not there, or takes one of the right size; all counters become 0.
  static StatusMapping create(const std::string& path);
  static StatusMapping open(const std::string& path);
  // Maps the file behind a descriptor, which stays the caller's; it must be of the right size.
  static StatusMapping map(int fd, const std::string& name);

  StatusMapping() noexcept = default;  // maps nothing
  StatusMapping(StatusMapping&& other) noexcept;
  StatusMapping& operator=(StatusMapping&& other) noexcept;
  StatusMapping(const StatusMapping&) = delete;
  StatusMapping& operator=(const StatusMapping&) = delete;
  ~StatusMapping();

  SharedStatus& operator*() const noexcept { return *status_; }
  SharedStatus* operator->() const noexcept { return status_; }

 private:
  explicit StatusMapping(SharedStatus* status) noexcept : status_(status) {}
  SharedStatus* status_ = nullptr;
};

}  // namespace sqlbk::kit
