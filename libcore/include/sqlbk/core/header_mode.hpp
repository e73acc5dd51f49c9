// The journal mode that a main file's header states. For authors of strategies and steps.
// Thread-safety: one thread at a time. On failure throws Error.
#pragma once

#include <string>

namespace sqlbk {

// Sets bytes 18 and 19 of a staged main that has no WAL beside it: 1 rollback journal, 2 WAL. A
// checksum of the cksumvfs extension is made anew. What is no database is left as it is.
void set_header_mode(int main_fd, const std::string& path, bool wal);

}  // namespace sqlbk
