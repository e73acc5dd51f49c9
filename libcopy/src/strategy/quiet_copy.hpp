// One copy under the quiet proof: main, and WAL or hot journal, as they lie there. Private to
// libcopy.
#pragma once

#include "../mover/mover.hpp"
#include "journal_watch.hpp"
#include "source_mover.hpp"
#include "sqlbk/core/copy_strategy.hpp"

namespace sqlbk::copy {

// Fills the image, and verdict, assumptions and facts of the report. Throws source_changed,
// source_busy or frames_without_checksum where the attempt proves nothing, unsuitable where no
// attempt could. `watch`: what an owner in EXCLUSIVE locking mode was seen to do.
void copy_quietly(LiveFiles& files, StagedTarget& target, SourceMover& mover, RunContext& context,
                  Report& report, const JournalWatch* watch = nullptr);

// Why the journal of this source cannot be rolled back on a copy; suitable if it can, or if there
// is nothing to roll back.
Suitability may_roll_back(const SourceFacts& facts);

}  // namespace sqlbk::copy
