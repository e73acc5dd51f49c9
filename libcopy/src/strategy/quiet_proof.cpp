#include "quiet_proof.hpp"

#include <chrono>
#include <ctime>

#include "source_changed.hpp"
#include "sqlbk/core/database_users.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;

constexpr std::array kProvenFiles{SourceFile::main, SourceFile::wal, SourceFile::journal};
constexpr std::size_t kCountersOffset = 24;
// A time stamp further ahead than this is no tick of a running clock but a clock set back.
constexpr std::chrono::nanoseconds kFarAhead = 5s;
// Long enough for a commit to shorten main, which it does after it has finished the journal.
constexpr std::chrono::nanoseconds kCommitTail = 500ms;

// The clock that stamps files: the time of the last tick.
std::int64_t coarse_now_ns() {
  timespec now{};
  static_cast<void>(::clock_gettime(CLOCK_REALTIME_COARSE, &now));
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// A file system that says it has nanoseconds may still keep whole seconds (ext3, small inodes).
std::chrono::nanoseconds granularity_of(const SourceFacts& facts) {
  if (facts.main.ctime_ns % 1'000'000'000 == 0) return 2s;
  return facts.file_system.timestamp_granularity;
}

// A write from now on gets another ctime than this one: the clock, cut as the file system cuts it,
// is past it.
bool has_ticked_past(std::int64_t ctime_ns, std::chrono::nanoseconds granularity) {
  const std::int64_t now = coarse_now_ns();
  return now - now % granularity.count() > ctime_ns;
}

bool is_far_ahead(std::int64_t ctime_ns) {
  return ctime_ns - coarse_now_ns() > kFarAhead.count();
}

// A commit finishes its journal after it has written main. Where main was written long after, the
// journal is an earlier owner's, and the one that has written keeps none (MEMORY, OFF).
bool main_outlived_journal(const SourceFacts& facts) {
  return facts.main.mtime_ns - facts.journal->mtime_ns > kCommitTail.count();
}

// Nothing was written to main since its journal was finished. The same stamp may be of before.
bool journal_outlived_main(const SourceFacts& facts) {
  return facts.main.mtime_ns < facts.journal->mtime_ns;
}

// Of a process that holds a write lock on all of SHARED: neither PENDING nor RESERVED is locked.
// The VFS unix-excl takes that lock to read and keeps it (unixFileLock() in os_unix.c), and no
// other takes it without PENDING. It tells the VFS, and nothing of a transaction.
bool is_unix_excl(const LiveFiles& files) {
  return !conflicting_lock(files.fd_of(SourceFile::main), kPendingByte, 2, false,
                           files.main_path());
}

std::string name_of(const LockHolder& holder) {
  // 0 and -1: it is in another process-id namespace, or the lock is one of an open file.
  return holder.pid > 0 ? "process " + std::to_string(holder.pid)
                        : std::string("a process that cannot be seen from here");
}

}  // namespace

QuietProof::QuietProof(LiveFiles& files, RunContext& context) : files_(files), context_(context) {
  // A busy owner writes again while we wait for the tick; the wait is then not for long, but in
  // vain.
  constexpr int kTries = 50;
  for (int i = 0; i < kTries; ++i) {
    files_.begin_attempt();
    files_.refresh_sidecars();
    Seen seen = look();
    wait_for_tick(seen);
    before_ = look();
    before_.is_far_ahead = seen.is_far_ahead;
    bool same = true;
    for (std::size_t f = 0; f < kProvenFiles.size(); ++f) {
      const auto& a = seen.files[f];
      const auto& b = before_.files[f];
      same = same && a.has_value() == b.has_value() && (!a || a->unchanged(*b));
    }
    if (!same) continue;
    facts_ = probe_source(files_);
    check_locks();
    return;
  }
  throw_changed(files_, "its files do not hold still");
}

void QuietProof::finish() {
  files_.unseen_locks().note(read_unseen_locks(files_));
  const Seen after = look();
  for (std::size_t f = 0; f < kProvenFiles.size(); ++f) {
    const std::string path = files_.path_of(kProvenFiles[f]);
    const auto& a = before_.files[f];
    const auto& b = after.files[f];
    if (a.has_value() != b.has_value()) {
      throw_changed(files_, quoted(path) + (b ? " has appeared" : " has gone"));
    }
    if (!a) continue;
    if (!a->same_file(*b)) throw_changed(files_, quoted(path) + " was replaced");
    if (!a->unchanged(*b)) throw_changed(files_, quoted(path) + " was written to");
    // A stamp from the future (the clock was set back) could come true during the window.
    const bool tells_writes = before_.is_far_ahead[f]
                                  ? is_far_ahead(a->ctime_ns)
                                  : has_ticked_past(a->ctime_ns, granularity_of(facts_));
    if (!tells_writes) {
      throw_changed(files_, "the clock does not tell writes to " + quoted(path) + " apart");
    }
  }
  if (before_.counters != after.counters) throw_changed(files_, "the header has changed");
  check_locks();
}

// By path, so that a file that was replaced is seen; through the descriptor would show the old one.
QuietProof::Seen QuietProof::look() {
  Seen seen;
  for (std::size_t f = 0; f < kProvenFiles.size(); ++f) {
    seen.files[f] = files_.stat_by_path(kProvenFiles[f]);
    if (!files_.is_current(kProvenFiles[f])) {
      throw_changed(files_, quoted(files_.path_of(kProvenFiles[f])) + " was replaced");
    }
  }
  static_cast<void>(files_.read(SourceFile::main, seen.counters, kCountersOffset));
  return seen;
}

void QuietProof::wait_for_tick(Seen& seen) {
  facts_.file_system = file_system_of(files_.fd_of(SourceFile::main), files_.main_path());
  facts_.main = files_.stat(SourceFile::main);
  const std::chrono::nanoseconds granularity = granularity_of(facts_);
  for (std::size_t f = 0; f < kProvenFiles.size(); ++f) {
    const std::optional<FileStat>& file = seen.files[f];
    while (file && !has_ticked_past(file->ctime_ns, granularity)) {
      seen.is_far_ahead[f] = is_far_ahead(file->ctime_ns);
      if (seen.is_far_ahead[f]) break;
      context_.sleep_for(1ms);
    }
  }
}

// Where a transaction that is under way would be seen in the WAL or in the journal.
bool QuietProof::shows_transactions(const LockState& locks) {
  if (facts_.uses_wal()) {
    // EXCLUSIVE locking mode, or the last close. Header 2/2 beside a -wal file, even an empty one,
    // is WAL mode for sure: SQLite leaves it by unlinking the -wal first.
    return facts_.wal_header || (facts_.wal && facts_.header && facts_.header->says_wal());
  }
  // The pair of main and journal, both quiet, rolls back to the committed state.
  if (facts_.journal_state == format::JournalState::active) return true;
  if (!locks.exclusive) return false;
  if (facts_.journal && !main_outlived_journal(facts_) && accept_journal_of(*locks.exclusive)) {
    return true;
  }
  if (!is_unix_excl(files_)) return false;
  assume_journal_of(*locks.exclusive, "locks it by the VFS unix-excl, whether it writes or not",
                    "where nothing says that a transaction is under way");
  return true;
}

// A quiet file is not a committed file: an owner with journal_mode MEMORY or OFF may keep half a
// transaction in main as long as it likes, and only its write lock tells.
void QuietProof::check_locks() {
  const LockState locks = lock_state(files_);
  if (!locks.writer || shows_transactions(locks)) return;
  throw Error(Errc::source_busy, "unable to prove a copy of " + quoted(files_.given_path()) +
                                     " consistent: " + name_of(*locks.writer) +
                                     " holds a write lock and keeps no journal that shows whether "
                                     "a transaction is under way")
      .with_path(files_.given_path())
      .with_hint("let that process close the database");
}

// An inactive journal says that no transaction is under way, if it is that of the process which
// holds EXCLUSIVE, or if main was not written since. A process with journal_mode MEMORY or OFF does
// not have it open.
bool QuietProof::accept_journal_of(const LockHolder& writer) {
  rests_on_journal_ = true;
  if (journal_outlived_main(facts_)) return true;
  switch (journal_of_writer(files_, writer)) {
    case WriterJournal::open:
      return true;
    case WriterJournal::not_open:
      return false;
    case WriterJournal::unseen:
      break;
  }
  assume_journal_of(writer, "holds an EXCLUSIVE lock",
                    "which says that no transaction is under way");
  return true;
}

void QuietProof::assume_journal_of(const LockHolder& writer, const std::string& its_lock,
                                   const std::string& its_journal) {
  rests_on_journal_ = true;
  assumptions_ = {{AssumptionKind::journals_here,
                   name_of(writer) + ", which " + its_lock + ", journals to " +
                       quoted(files_.path_of(SourceFile::journal)) + ", " + its_journal}};
}

}  // namespace sqlbk::copy
