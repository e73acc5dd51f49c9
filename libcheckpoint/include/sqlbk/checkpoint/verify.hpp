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
#include <utility>
#include <vector>

#include "sqlbk/core/error.hpp"
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
  std::string wal_salts;  // the generation of the WAL; "": none
  // Of that generation, up to the last commit that was copied; nullopt: not known.
  std::optional<std::uint64_t> wal_frames;
  std::string verdict;  // how the copy was known to be one committed state
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

// Why a copy does not hold what its source holds.
enum class Difference {
  not_asked,
  none,         // it does
  moved_on,     // the source was written to since; the copy holds what it held then
  lost,         // the source is as it was, so that the copy has lost something, or was changed
  cannot_tell,  // one of these, or both
};
std::string_view to_string(Difference difference) noexcept;  // "moved_on", as in --json

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
  Difference against = Difference::not_asked;
  std::vector<std::string> notes;  // what is worth knowing, but no damage
  // Facts by name: frames of the WAL and the like.
  std::vector<std::pair<std::string, std::string>> facts;
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
