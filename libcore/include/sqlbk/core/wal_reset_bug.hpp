// Whether SQLite's WAL-reset bug (3.7.0 to 3.51.2, sqlite.org/wal.html#walresetbug) has struck a
// live source. A checkpoint that reads mxFrame before a reset of the WAL, and nBackfill after it,
// stores an nBackfill that is too large. SQLite takes a page whose last frame is not behind
// nBackfill from main, whether or not main holds it: commits are lost at once; and once a program
// has written on from there, main with all of the WAL applied is a mixture of two histories.
//
// docs/consistency.md, "The WAL-reset bug", has the argument why a sound source is never taken for
// a struck one. Thread-safety: as LiveFiles. On failure throws Error.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "sqlbk/core/committed_view.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/wal_header_file.hpp"
#include "sqlbk/format/wal_index.hpp"

namespace sqlbk {

enum class WalResetBugAnswer {
  not_asked,  // no program is attached to a wal-index, so that nothing says what is backfilled
  sound,      // not struck at the moment when it was asked
  changed,    // the source changed while it was asked: ask again
  struck,
};

// A page that is backfilled by the wal-index, up to this frame, its last one, and that main does
// not hold as the frame does.
struct MissingPage {
  std::uint32_t page_number = 0;
  std::uint32_t frame = 0;  // 0: of an earlier generation of the WAL
};

struct WalResetBugFinding {
  WalResetBugAnswer answer = WalResetBugAnswer::not_asked;
  std::uint32_t mx_frame = 0;           // the last committed frame
  std::uint32_t backfilled_frames = 0;  // nBackfill
  // Of `struck`; nullopt: the wal-index says more frames backfilled than are committed.
  std::optional<MissingPage> missing;
};

enum class WalReadLocks {
  none,
  // SHARED on main, and one of READ_LOCK(0) to READ_LOCK(4) in the -shm that is open here; by
  // SQLite or by sqlbk, from before the call until after it.
  held,
};

// Called often; what it throws ends the search.
using SearchTick = std::function<void()>;

// Asks the live files once. Time: reads the headers of all committed frames, and, of each page that
// is backfilled, its last frame and main.
WalResetBugFinding ask_once(LiveFiles& files, WalReadLocks locks, const SearchTick& tick);

// The same, a few times while the answer is `changed`.
WalResetBugFinding find_wal_reset_bug(LiveFiles& files, WalReadLocks locks, const SearchTick& tick);

// The same without the pages: where these are encrypted, main need not look as the frames do.
// `sound` then says only that the numbers are possible.
WalResetBugFinding find_wal_reset_bug_in_index(LiveFiles& files);

// As find_wal_reset_bug() without a lock, of pages that are newer than main was, from generations
// before the one of this header: these were backfilled to their ends. Pages of the generation
// itself do not count. REQUIRES: all commits of these generations are in `earlier`.
WalResetBugFinding find_page_lost_before(LiveFiles& files, const WalHeaderBytes& generation,
                                         const NewerPages& earlier, const SearchTick& tick);

// What a copy of main holds of the pages that are backfilled.
struct BackfilledPages {
  std::optional<MissingPage> missing;  // the first that it does not hold; then the rest is empty
  PageMap others;                      // all pages but those that it holds byte for byte
};

// REQUIRES: `backfilled_frames` was read before the first byte of `main` was copied; the slots of
// `newer` are frames, all that were committed in the generation when main's last byte was copied.
BackfilledPages compare_backfilled(const BorrowedFile& main, const NewerPages& newer,
                                   std::uint32_t page_size_bytes, std::uint32_t backfilled_frames,
                                   const SearchTick& tick);

// "nBackfill 40, mxFrame 20", or "main lacks page 7 of frame 12, nBackfill 40, mxFrame 50".
std::string numbers_of(const WalResetBugFinding& finding);

// For plans: throws Error wal_reset_bug where it is found.
void require_not_struck(LiveFiles& files, bool is_opaque);

// Error wal_reset_bug. REQUIRES: `finding` says struck. `source`: its path as the user gave it.
Error wal_reset_bug_error(const WalResetBugFinding& finding, const std::string& source);

}  // namespace sqlbk
