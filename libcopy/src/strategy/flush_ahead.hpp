// Private to libcopy.
#pragma once

#include "../mover/mover.hpp"
#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/run_context.hpp"

namespace sqlbk::copy {

// Writes back what programs have written to main and `-wal`, where a mover of the ladder may share
// their blocks: FICLONE does so before anything else, and under a lock of ours all who wait for it
// would wait for the disk. To be called before the lock is taken. Nothing is changed but where the
// bytes are; what cannot be written back is left to the owner's own fsync() to report.
void flush_ahead(const LiveFiles& files, const MoverLadder& movers, RunContext& context);

}  // namespace sqlbk::copy
