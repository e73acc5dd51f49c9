// The manifest of a copy: what was copied, how it is known to be good, and what it should look
// like; JSON by the schema in docs/cli.md.
#pragma once

#include <string>

#include "sqlbk/checkpoint/verify.hpp"
#include "sqlbk/core/pipeline.hpp"
#include "sqlbk/core/report.hpp"

namespace sqlbk::tool {

// Throws, before anything is copied, what would be in the way: destination_exists where the file is
// there (and is not to be replaced) or has a name of the source or the destination,
// destination_unusable where it has no directory.
void check_manifest_path(const std::string& path, const CopyRequest& request);

// Writes it so that it stands there whole or not at all. REQUIRES: its path was checked.
void write_manifest(const std::string& path, const Report& report, bool force);

// Throws usage where it is no manifest, and what reading a file throws.
checkpoint::ExpectedCopy read_manifest(const std::string& path);

}  // namespace sqlbk::tool
