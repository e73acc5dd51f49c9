// A journal that would have to be rolled back. Private to libcopy.
#pragma once

#include "sqlbk/core/copy_options.hpp"
#include "sqlbk/core/live_files.hpp"

namespace sqlbk::copy {

// For a strategy that copies main under SHARED. Asks by path, because an owner may make its journal
// anew with each transaction. Throws source_changed where the journal is active and nothing holds
// RESERVED: it is a dead owner's, or that of one whose locks the kernel does not know, and main may
// hold half of its transaction.
void require_no_hot_journal(LiveFiles& files, const CopyOptions& options);

}  // namespace sqlbk::copy
