// Refuses a source that SQLite's WAL-reset bug has struck (wal_reset_bug.hpp), at both ends of a
// copy. docs/consistency.md, "The WAL-reset bug", says which strategy asks what, and when. Private
// to libcopy. All throw Error wal_reset_bug where it has, and source_changed where that is not to
// be told.
#pragma once

#include "sqlbk/core/copy_options.hpp"
#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/staged_image.hpp"
#include "sqlbk/core/wal_reset_bug.hpp"
#include "wal_part.hpp"

namespace sqlbk::copy {

// Of what was found; nothing where it was not struck, or not asked.
void refuse_struck(const LiveFiles& files, const WalResetBugFinding& finding);

// By the numbers of the wal-index, which read_steady_wal_index() gave: costs nothing where they are
// possible.
void refuse_struck_index(LiveFiles& files, const LiveIndex& index);

// Asks the live files as they are now.
WalResetBugFinding find_struck(LiveFiles& files, WalReadLocks locks, const CopyOptions& options,
                               RunContext& context);

// By the live files as they are now.
void refuse_struck_source(LiveFiles& files, WalReadLocks locks, const CopyOptions& options,
                          RunContext& context);

// By what was copied: pages that were backfilled when `start` was read, before main's first byte,
// must be in the image's main. Those that are there byte for byte are not applied again. REQUIRES:
// image.wal_prefix is set, is of the generation of `start`, and was copied after main.
void refuse_struck_image(const LiveFiles& files, StagedImage& image, const LiveIndex& start,
                         const CopyOptions& options, RunContext& context);

// At the end of a copy that began with the index `start`: no checkpoint may have gone beyond what
// was committed then. REQUIRES: read locks of the WAL since before `start` was read, and DMS.
void require_no_later_backfill(const LiveFiles& files, const LiveIndex& start);

// Without a lock: whether a checkpoint may have been at work between the two.
bool may_have_been_backfilled(const LiveFiles& files, const LiveIndex& start, const LiveIndex& now);

}  // namespace sqlbk::copy
