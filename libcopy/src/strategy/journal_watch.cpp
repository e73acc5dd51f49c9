#include "journal_watch.hpp"

#include <cerrno>
#include <fcntl.h>
#include <utility>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/locks.hpp"
#include "sqlbk/core/sys.hpp"

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
  const FileStat journal = files_.stat(SourceFile::journal);
  if (seen_ && seen_->journal.same_file(journal)) {
    seen_->pid = holder->pid;
    seen_->journal = journal;
    return;
  }
  UniqueFd kept(sys().duplicate(files_.fd_of(SourceFile::journal)));
  if (!kept) throw system_error("keep open", files_.path_of(SourceFile::journal), errno);
  seen_ = Seen{.pid = holder->pid, .journal = journal, .kept = std::move(kept)};
}

bool JournalWatch::vouches(const SourceFacts& facts) const {
  if (!seen_ || !facts.journal || !facts.locks.exclusive) return false;
  const auto holder = lock_state(files_).exclusive;
  return holder && holder->pid == seen_->pid && facts.locks.exclusive->pid == seen_->pid &&
         facts.journal->same_file(seen_->journal) &&
         // The same stamp may be of a write before or after.
         facts.main.mtime_ns < facts.journal->mtime_ns;
}

}  // namespace sqlbk::copy
