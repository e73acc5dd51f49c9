// The main job in one call, for programs that only want a copy; pipeline.hpp has everything else.
#pragma once

#include <string>

#include "sqlbk/core/pipeline.hpp"

namespace sqlbk::copy {

// Copies `source` to `destination`, a new file or a directory, and returns how that went. The
// copy is one file without sidecars. Thread-safety: any thread, any number at a time. The calling
// thread waits; connections that this process has to the source keep their locks (docs/library.md).
// On failure throws Error, and there is no destination.
Report copy_database(const std::string& source, const std::string& destination,
                     const CopyOptions& options = {}, const TargetOptions& target = {});

}  // namespace sqlbk::copy
