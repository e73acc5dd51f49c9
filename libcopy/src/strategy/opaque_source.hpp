// What of an encrypted source (--opaque) cannot be judged, and must not be taken for nothing.
// Private to libcopy.
#pragma once

#include <string>

#include "sqlbk/core/live_files.hpp"

namespace sqlbk::copy {

// A WAL counts by its checksums over what lies in the file, as SQLCipher writes it. One that is
// encrypted as a whole, or was summed before it was encrypted, looks as if it held no commit.
// Throws frames_without_checksum where it may be one of these. `source` is named in the error.
void require_readable_wal(int wal_fd, const std::string& wal_path, const std::string& source);

// A journal that is encrypted as a whole may begin with a zero byte, which says inactive in the
// clear. True where there is one that does not begin with eight of them, in place of the magic.
bool may_have_active_journal(const LiveFiles& files);

}  // namespace sqlbk::copy
