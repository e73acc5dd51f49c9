#include "hot_journal.hpp"

#include "opaque_source.hpp"
#include "source_changed.hpp"
#include "sqlbk/core/locks.hpp"
#include "sqlbk/core/source.hpp"

namespace sqlbk::copy {
namespace {

bool has_active_journal(LiveFiles& files, const CopyOptions& options) {
  files.refresh(SourceFile::journal);
  return options.opaque ? may_have_active_journal(files)
                        : read_journal_state(files) == format::JournalState::active;
}

}  // namespace

void require_no_hot_journal(LiveFiles& files, const CopyOptions& options) {
  if (!has_active_journal(files, options) || lock_state(files).reserved) return;
  // Its transaction may have ended between the two.
  if (has_active_journal(files, options)) throw_changed(files, "it has a hot journal");
}

}  // namespace sqlbk::copy
