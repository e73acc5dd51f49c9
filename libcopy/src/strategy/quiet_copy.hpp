// One copy under the quiet proof: main, and WAL or hot journal, as they lie there. Private to
// libcopy.
#pragma once

#include "../mover/mover.hpp"
#include "journal_watch.hpp"
#include "source_mover.hpp"
#include "sqlbk/core/copy_strategy.hpp"

namespace sqlbk::copy {

// Fills the image. Throws source_changed, source_busy or frames_without_checksum where the attempt
// proves nothing, unsuitable where no attempt could. `watch`: what the holder of an EXCLUSIVE lock
// was seen to do.
Evidence copy_quietly(LiveFiles& files, StagedImage& image, SourceMover& mover,
                      const CopyOptions& options, RunContext& context,
                      const JournalWatch* watch = nullptr);

// For --dry-run: throws what is found on the copy of a WAL that no program has open, and that stays
// as it is.
void require_readable_at_rest(LiveFiles& files, const SourceFacts& facts,
                              const CopyOptions& options, RunContext& context);

// Why the journal of this source cannot be rolled back on a copy; suitable if it can, or if there
// is nothing to roll back.
Suitability may_roll_back(const SourceFacts& facts);

}  // namespace sqlbk::copy
