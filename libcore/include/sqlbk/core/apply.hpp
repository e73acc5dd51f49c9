// Applying a WAL to a staged main file, as SQLite's own checkpoint does (walCheckpoint() in wal.c):
// the result is byte for byte the same, but for the page checksums of the cksumvfs extension, which
// are made as a checkpoint by the extension makes them. Never for files of a source.
// For authors of strategies and steps. Thread-safety: one thread at a time. On failure throws
// Error, and the main file is of no use any more.
#pragma once

#include <string>

#include "sqlbk/core/committed_view.hpp"
#include "sqlbk/core/run_context.hpp"

namespace sqlbk {

// Makes a main file hold what the view shows: writes the pages that do not come from main, and
// sets the size. The file is the view's own main or a copy of that. Throws damaged before anything
// is written: CommittedView::require_possible_size(). Counts the pages written as progress.
void apply_to_main(const CommittedView& view, int main_fd, const std::string& main_path,
                   RunContext& context);

// The same with every page of the view, whatever the file holds.
void write_over_main(const CommittedView& view, int main_fd, const std::string& main_path,
                     RunContext& context);

}  // namespace sqlbk
