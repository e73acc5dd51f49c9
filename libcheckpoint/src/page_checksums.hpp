// Copies whose pages may carry checksums of the cksumvfs extension (sqlite.org/cksumvfs.html). A
// SQLite without it writes pages whose checksums are then wrong, and the program with the extension
// would call them damaged: such a copy is not given to SQLite for writing. Private to
// libcheckpoint.
#pragma once

#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/staged_image.hpp"
#include "sqlbk/format/db_header.hpp"

namespace sqlbk::checkpoint {

format::ParsedDbHeader header_of(StagedImage& image);

// By its header; whether there are checksums indeed is for those to see who write them.
bool may_have_page_checksums(const format::ParsedDbHeader& header) noexcept;

// Applies the committed part of the image's WAL to main, with right checksums, and removes the WAL;
// nothing to do without one.
void apply_with_checksums(StagedImage& image, RunContext& context);

}  // namespace sqlbk::checkpoint
