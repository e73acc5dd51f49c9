// What `sqlbk bench` has measured: the one value that its table, its JSON and its page are made of.
// Thread-safety: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sqlbk::tool::bench {

// By its properties, never by its name.
struct Machine {
  unsigned cores = 0;
  std::uint64_t memory_bytes = 0;
  std::string processor;    // as the kernel calls it
  std::string kernel;       // "Linux 6.1.0"
  std::string file_system;  // of the directory where everything was measured
};

enum class ToolKind {
  strategy,  // one of sqlbk's
  peer,      // what else people copy with
};

struct Tool {
  ToolKind kind = ToolKind::strategy;
  std::string name;         // "auto", "follow+range", "cp", "sqlite3 .backup"
  std::string version;      // of a peer, as far as it tells
  std::string unavailable;  // why it was not run; "" if it was
  bool promises = false;    // a bad copy under live writers is a fault of sqlbk's
};

struct Spread {
  double lowest = 0;
  double median = 0;
  double highest = 0;
};

// One tool on one database that an idle process holds open. Every run is a process of its own and
// ends when its result is on the disk (fsync).
struct Timing {
  std::size_t tool = 0;  // index into Results::tools
  unsigned runs = 0;     // that succeeded; the figures are theirs
  unsigned failed = 0;
  unsigned bad = 0;  // of the failed: reported success, and a glance showed that it is no copy
  std::string first_failure;
  Spread wall_seconds;
  Spread cpu_seconds;
  std::uint64_t peak_memory_bytes = 0;  // the highest of all runs
  std::uint64_t written_bytes = 0;      // handed to the block layer, the median
};

struct SizeResult {
  std::uint64_t main_bytes = 0;
  std::uint64_t wal_bytes = 0;
  std::vector<Timing> timings;
};

// What the writers of a live database got done, in one time with copies or one without.
struct Writing {
  double commits_per_second = 0;
  double p99_stall_seconds = 0;  // a stall: from the first try of BEGIN to the return of COMMIT
  double worst_stall_seconds = 0;
  std::uint64_t wal_growth_bytes = 0;
};

// One tool, again and again, under one load.
struct LiveTiming {
  std::size_t tool = 0;
  unsigned good = 0;
  unsigned torn = 0;            // reported success, and is no state that was ever committed
  unsigned stale = 0;           // reported success, and lacks what was committed before it began
  unsigned unreadable = 0;      // reported success, and is no database
  unsigned refused = 0;         // reported failure
  unsigned timed_out = 0;       // stopped by the deadline
  std::string first_bad;        // in words
  std::string first_refusal;    // what the tool said
  bool source_damaged = false;  // by its own writers, again and again: the copies prove nothing
  Spread wall_seconds;          // of the copies that reported success
  Writing with_copies;
};

struct LoadResult {
  std::string name;  // "wal, 1 writer without a pause"
  std::uint64_t main_bytes = 0;
  double deadline_seconds = 0;  // of one copy
  Writing alone;                // the same writers without any copy
  std::vector<LiveTiming> timings;
};

struct Results {
  std::string command;  // what repeats it
  std::string began;    // ISO 8601, UTC
  std::string sqlbk_version;
  std::string sqlite_version;  // the library's
  Machine machine;
  std::vector<Tool> tools;
  std::vector<SizeResult> sizes;
  std::vector<LoadResult> loads;
  std::vector<std::string> notes;  // what was left out, or done again, and why
};

}  // namespace sqlbk::tool::bench
