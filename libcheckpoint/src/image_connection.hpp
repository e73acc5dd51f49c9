// SQLite connections to a staged image, and what they leave behind. Private to libcheckpoint.
#pragma once

#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "sqlbk/core/staged_image.hpp"

namespace sqlbk::checkpoint {

// For reading: immutable where main is all there is, so that nothing is made beside it. Statements
// stop when the run is cancelled or its deadline has passed.
sqlite::Connection open_for_reading(const StagedImage& image, const RunContext& context);
sqlite::Connection open_for_writing(const StagedImage& image, const RunContext& context);

// After the connection is closed: removes -shm, and a -wal or -journal that is empty.
void remove_leftovers(const StagedImage& image);

}  // namespace sqlbk::checkpoint
