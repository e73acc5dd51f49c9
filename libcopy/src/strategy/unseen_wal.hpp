// A WAL that is beside another name of the database. Private to libcopy.
#pragma once

#include "sqlbk/core/live_files.hpp"
#include "sqlbk/format/db_header.hpp"

namespace sqlbk::copy {

// A WAL connection always has a -wal file, and, but for one that lets nobody in or may not write
// the -shm, the DMS lock in the -shm beside it. Where a database in WAL mode is open and these are
// not beside this name, they are beside another one (a hard link, a file that was moved or whose
// sidecars were removed while open), with commits that we cannot see; what lies here is nobody's.
// Throws source_busy then: whoever has just come is attached when it is tried again.
void refuse_unseen_wal(LiveFiles& files, const format::ParsedDbHeader& header);

}  // namespace sqlbk::copy
