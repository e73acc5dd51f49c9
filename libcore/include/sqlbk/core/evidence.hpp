// How a copy is known to be one committed state of its source: what an attempt of a strategy
// returns. Thread-safety: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sqlbk/format/wal.hpp"

namespace sqlbk {

enum class Verdict {
  none,       // there is no copy
  snapshot,   // SQLite's read locks were held
  proven,     // no lock; the proof held
  at_rest,    // the files were quiet, and nothing held a write lock
  recovered,  // as before, plus a hot journal that was rolled back on the copy
  assumed,    // one of these, and on what the assumptions say, which cannot be seen from here
  unproven,   // nothing proves it; only after the user asked for it in words
};
std::string_view to_string(Verdict verdict) noexcept;  // "at-rest", as in --json

// Where in the WAL of its source a copied state stands (docs/formats/wal.md).
struct WalPosition {
  // Of the generation; nullopt: the WAL had no valid header, or main alone was the state.
  std::optional<format::WalSalt> salt = std::nullopt;
  std::uint64_t frames = 0;  // committed; by `follow`: of all generations that it followed
  std::optional<std::uint64_t> valid_frames =
      std::nullopt;  // by their checksums; may lie behind `frames`
  // mxFrame; nullopt: there was no live wal-index.
  std::optional<std::uint32_t> index_frames = std::nullopt;
  // Of the WAL while it was followed; nullopt: it was not followed.
  std::optional<unsigned> resets = std::nullopt;
  // Main alone is the state; true: the WAL was reset while main was copied.
  std::optional<bool> was_reset = std::nullopt;

  // The last committed frame of the generation `salt`; nullopt where it is not known.
  std::optional<std::uint64_t> last_frame() const noexcept {
    if (!salt || resets || index_frames.value_or(0) > frames) return std::nullopt;
    return frames;
  }
};

enum class AssumptionKind {
  these_files,    // the programs that use the database use these sidecars
  journals_here,  // the holder of a write lock journals to the journal beside main
  one_kernel,     // every program that uses the database runs on this kernel
  network_locks,  // the file system's locks reach every machine that uses the database
};
// "these-files", as in --assume.
std::string_view to_string(AssumptionKind kind) noexcept;
std::optional<AssumptionKind> assumption_kind(std::string_view name) noexcept;

// Something that a verdict rests on and that cannot be seen from here.
struct Assumption {
  AssumptionKind kind;
  std::string sentence;
  bool operator==(const Assumption&) const = default;
};

struct Evidence {
  Verdict verdict = Verdict::none;
  std::string mover = {};  // that moved main, as "range"; "": none was needed
  std::optional<WalPosition> wal = std::nullopt;  // nullopt: no WAL was part of the state
  std::vector<Assumption> assumptions = {};
  std::vector<std::string> warnings = {};
};

}  // namespace sqlbk
