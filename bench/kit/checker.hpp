// Is a copy of a workload's database (workload.hpp) one committed state, and is it new enough?
// Thread-safety: pure functions of the files; no connection outlives the call. A process that
// checks a *live* database would drop its own locks on it (POSIX): check copies, or a source that
// nobody in this process has open.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sqlbk::kit {

// A writer and one of its transactions.
struct Committed {
  std::uint64_t writer = 0;
  std::uint64_t sequence = 0;
  friend bool operator==(const Committed&, const Committed&) = default;
};

enum class CopyVerdict {
  good,
  torn,        // readable, but no state that was ever committed
  stale,       // a committed state, but older than the floor
  unreadable,  // not a database, not one of the workload, or not there
};
std::string_view to_string(CopyVerdict verdict) noexcept;

struct CheckResult {
  CopyVerdict verdict = CopyVerdict::good;
  std::vector<std::string> problems;  // in words; the first are the most telling
  std::vector<Committed> committed;   // what the copy holds, by writer; empty if unreadable

  bool good() const noexcept { return verdict == CopyVerdict::good; }
  // The verdict and all problems, for a message.
  std::string explain() const;
};

// Checks a copy that nobody has open, and never changes it nor its directory: a copy with a -wal or
// -journal beside it is checked on a private copy of these files under $TMPDIR, one without is
// opened as immutable. `floor`: what each writer had committed before the copy began; a copy that
// holds less is stale. Does not throw for anything that is wrong with the copy.
CheckResult check_copy(const std::string& path, std::span<const Committed> floor = {});

// Checks the source itself after its owners have closed it or died, as its next owner would find
// it: with recovery, which changes the files. `floor`: all that was committed.
CheckResult check_source(const std::string& path, std::span<const Committed> floor = {});

}  // namespace sqlbk::kit
