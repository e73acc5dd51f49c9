// Is a database sound? Writes nothing to the database, its sidecars or its directory. A database
// that nobody uses is read where it lies, main and the committed part of its WAL through open
// descriptors; any other is copied first, by whoever passes a StageCopy, and the copy is checked.
// Thread-safety: any number of calls in different threads.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/evidence.hpp"
#include "sqlbk/core/report.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/staged_image.hpp"

namespace sqlbk::checkpoint {

// The layers, each of which can be asked for by its name.
struct CheckInfo {
  std::string_view name;
  std::string_view summary;
};
std::span<const CheckInfo> verify_checks() noexcept;

// Which state of its source a copy holds, as far as that was written down.
struct SourcePosition {
  SourceIdentity files;
  std::uint32_t change_counter = 0;
  std::optional<WalPosition> wal;   // nullopt: the source had none, or an empty one
  Verdict verdict = Verdict::none;  // how the copy was known to be one committed state
};

// What is written down of a copy when it is made.
struct ExpectedCopy {
  std::uint64_t size_bytes = 0;
  std::uint64_t wal_size_bytes = 0;
  std::uint32_t page_size_bytes = 0;  // 0: not known
  std::string sha256;                 // hexadecimal; "": not known
  std::string wal_sha256;
  std::optional<SourcePosition> source;
};

// Whether a copy holds what its source holds, and if not, why.
enum class Against {
  not_compared,           // it was not asked for, or the two could not be read
  equal,                  // it does
  source_moved_on,        // the source was written to since; the copy holds what it held then
  copy_lost_content,      // the source is as it was: the copy has lost something, or was changed
  differs_cause_unknown,  // one of these two, or both
};
std::string_view to_string(Against result) noexcept;  // "source_moved_on", as in --json

struct Comparison {
  Against result = Against::not_compared;
  std::string reason;  // how that is known, or why it is not; "": it is equal, or was not asked for
};

// What lies in the WAL and the journal of a database, beside what the checks say of it.
struct WalFacts {
  format::WalSalt salt;
  std::uint64_t frames = 0;            // that the file has room for
  std::uint64_t valid_frames = 0;      // by their checksums
  std::uint64_t committed_frames = 0;  // up to the last commit of these
};
struct JournalFacts {
  std::uint64_t size_bytes = 0;
  // Records that are rolled back; nullopt: it is not hot, or says "as many as fit".
  std::optional<std::uint32_t> records;
  bool has_as_many_as_fit = false;
};

struct VerifyOptions {
  std::vector<std::string> checks;       // names from verify_checks(); empty: all of them
  bool quick = false;                    // PRAGMA quick_check instead of integrity_check
  unsigned jobs = 0;                     // threads that check; 0: one, or for a large database all
                                         // cores
  std::string tempdir;                   // where a copy is made if one is needed
  std::string against;                   // the database that should hold the same; "": none
  std::optional<ExpectedCopy> expected;  // what the database should look like
};

struct VerifyReport {
  std::string database;
  // damaged: at least one check says so. could_not_check: none does, but one could not be made;
  // `error` says why where it was not a single check.
  StepVerdict verdict = StepVerdict::could_not_check;
  std::vector<StepReport> checks;
  Comparison against;
  std::vector<std::string> notes;  // what is worth knowing, but no damage
  std::optional<WalFacts> wal;     // nullopt: there is none with a valid header
  std::optional<JournalFacts> journal;
  std::optional<Error> error;
  bool in_place = false;           // else a copy was checked
  std::uint64_t copied_bytes = 0;  // what that copy took in the tempdir
  std::string copied_how;          // its strategy and verdict
  std::uint64_t size_bytes = 0;    // of the state that was checked
  std::uint32_t page_size_bytes = 0;
  Nanoseconds total_time{0};
};

// Makes a consistent copy of `database` below `tempdir`, calls `look` with it and what is known of
// it, and removes it. `Pipeline::stage()` does that; this library knows no strategies.
using StageCopy =
    std::function<void(const std::string& database, const std::string& tempdir, RunContext& context,
                       const std::function<void(StagedImage& image, const Report& report)>& look)>;

// Throws usage for a check that it does not know, interrupted and deadline_exceeded; everything
// else is in the report.
VerifyReport verify_database(const std::string& database, const VerifyOptions& options,
                             const StageCopy& stage, RunContext& context);

}  // namespace sqlbk::checkpoint
