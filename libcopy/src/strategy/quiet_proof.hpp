// The quiet proof Q: nothing was written to any file of the set while it was copied, and what lies
// there is no half transaction (docs/consistency.md, "The quiet proof"). Private to libcopy.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "sqlbk/core/evidence.hpp"
#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/source.hpp"

namespace sqlbk::copy {

class QuietProof {
 public:
  // Waits until a later write() must change a file's ctime, then records the set. Throws
  // source_busy where a foreign write lock says that a transaction may be under way and no journal
  // or WAL would show it, and source_changed where the set does not hold still even for that.
  QuietProof(LiveFiles& files, RunContext& context);

  // The source as it was at the start of the window.
  const SourceFacts& facts() const noexcept { return facts_; }

  // Throws source_changed or source_busy unless the window was quiet from its start to now.
  void finish();

  // What the proof rests on where a write lock was accepted; else empty.
  const std::vector<Assumption>& assumptions() const noexcept { return assumptions_; }

 private:
  struct Seen {
    std::array<std::optional<FileStat>, 3> files;  // main, wal, journal
    std::array<bool, 3> is_far_ahead{};            // their ctimes, of a clock that was set back
    std::array<std::byte, 16> counters{};          // header bytes 24..39
  };
  Seen look();
  void wait_for_tick(Seen& seen);
  void check_locks();

  LiveFiles& files_;
  RunContext& context_;
  SourceFacts facts_;
  Seen before_;
  std::vector<Assumption> assumptions_;
};

}  // namespace sqlbk::copy
