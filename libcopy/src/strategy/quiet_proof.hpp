// The quiet proof Q: nothing was written to any file of the set while it was copied, and what lies
// there is no half transaction (docs/consistency.md, "The quiet proof"). Private to libcopy.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
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

  // A process holds EXCLUSIVE, and the journal that lies there was taken for its own.
  bool rests_on_journal() const noexcept { return rests_on_journal_; }
  // Empty where it could be seen that the process has that journal open.
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
  bool shows_transactions(const LockState& locks);
  bool accept_journal_of(const LockHolder& writer);
  void assume_journal_of(const LockHolder& writer, const std::string& its_lock,
                         const std::string& its_journal);

  LiveFiles& files_;
  RunContext& context_;
  SourceFacts facts_;
  Seen before_;
  bool rests_on_journal_ = false;
  std::vector<Assumption> assumptions_;
};

}  // namespace sqlbk::copy
