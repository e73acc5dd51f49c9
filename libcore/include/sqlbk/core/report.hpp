// What a run did, how the copy is known to be good, and how long everything took.
// Thread-safety: a value.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/evidence.hpp"

namespace sqlbk {

enum class StepVerdict { ok, damaged, could_not_check, skipped };
std::string_view to_string(StepVerdict verdict) noexcept;

using Nanoseconds = std::chrono::nanoseconds;

struct StepReport {
  std::string name;
  StepVerdict verdict = StepVerdict::ok;
  std::vector<std::string> findings;  // what is damaged, or why it was skipped or not checked
  Nanoseconds elapsed{0};
  std::optional<Error> error =
      std::nullopt;  // that broke the check off; `findings` has its message
};

// The files that were copied, as they were when the run looked at them first.
struct SourceIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t wal_size_bytes = 0;
  // When they were last changed, since the epoch. 0: so shortly before that a later change may have
  // the same time; or another file was looked at first; or there is no -wal.
  std::int64_t ctime_ns = 0;
  std::int64_t wal_ctime_ns = 0;
};

struct Report {
  std::string source;
  std::string destination;
  SourceIdentity source_identity;
  std::string strategy_asked;
  std::string strategy;  // that made the copy, with its mover
  Verdict verdict = Verdict::none;
  std::vector<Assumption> assumptions;  // what the verdict rests on, beyond the proof
  std::vector<std::string> warnings;
  std::vector<std::string> decisions;  // what was chosen and why, in order
  std::optional<WalPosition> wal;      // nullopt: no WAL was part of the state
  // Of the header of the state that was copied; 0 where it is empty or encrypted.
  std::uint32_t change_counter = 0;
  std::uint32_t schema_cookie = 0;
  unsigned attempts = 0;
  std::uint32_t page_size_bytes = 0;
  std::uint64_t size_bytes = 0;      // of the published main file
  std::uint64_t wal_size_bytes = 0;  // of a published -wal
  bool is_published = false;         // there is a copy, also where an error came after
  std::uint64_t moved_bytes = 0;     // by movers, all attempts
  std::string sha256;                // of the published main file; "": no step took it
  std::string wal_sha256;            // of a published -wal
  std::vector<StepReport> steps;
  Nanoseconds probe_time{0};
  Nanoseconds copy_time{0};
  Nanoseconds fold_time{0};
  Nanoseconds steps_time{0};
  Nanoseconds publish_time{0};  // sync included
  Nanoseconds total_time{0};
};

}  // namespace sqlbk
