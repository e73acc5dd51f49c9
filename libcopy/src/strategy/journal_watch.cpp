#include "journal_watch.hpp"

#include "sqlbk/core/locks.hpp"
#include "sqlbk/core/source.hpp"

namespace sqlbk::copy {

void JournalWatch::look() {
  const auto holder = lock_state(files_).exclusive;
  // 0 and -1 could be anybody.
  if (!holder || holder->pid <= 0 || !files_.has(SourceFile::journal)) return;
  if (read_journal_state(files_) != format::JournalState::active) return;
  // An unlinked journal goes on looking active; and the holder may have changed meanwhile.
  if (!files_.is_current(SourceFile::journal)) return;
  const auto holder_now = lock_state(files_).exclusive;
  if (!holder_now || holder_now->pid != holder->pid) return;
  seen_ = Seen{.pid = holder->pid, .journal = files_.stat(SourceFile::journal)};
}

bool JournalWatch::vouches() const {
  if (!seen_ || !files_.has(SourceFile::journal)) return false;
  const auto holder = lock_state(files_).exclusive;
  const FileStat journal = files_.stat(SourceFile::journal);
  return holder && holder->pid == seen_->pid && journal.same_file(seen_->journal) &&
         files_.stat(SourceFile::main).mtime_ns <= journal.mtime_ns;
}

}  // namespace sqlbk::copy
