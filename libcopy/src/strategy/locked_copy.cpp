#include "locked_copy.hpp"

#include <thread>

#include "hot_journal.hpp"
#include "opaque_source.hpp"
#include "source_changed.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/steady_wal_index.hpp"
#include "sqlbk/core/wal_scan.hpp"
#include "wal_header_file.hpp"
#include "wal_part.hpp"
#include "wal_reset_check.hpp"

namespace sqlbk::copy {

using namespace std::chrono_literals;

// What is on disk and in the wal-index at the start of the copy, in step with each other.
struct LockedCopy::WalStart {
  std::optional<WalHeaderBytes> header;
  std::optional<FileStat> file;  // in which it stands
  LiveIndex index;
  // The file's generation is the one that counts. Otherwise the wal-index was restarted (mxFrame 0)
  // or there is no header, and main is complete without the WAL.
  bool in_step = false;
};

LockedCopy::WalStart LockedCopy::read_wal_start(bool attached) {
  constexpr int kTries = 1000;
  for (int i = 0; i < kTries; ++i) {
    WalStart start;
    start.header = wal_header_by_path(files_);
    if (start.header) start.file = files_.stat(SourceFile::wal);
    files_.refresh(SourceFile::shm);
    const SteadyWalIndex read = read_steady_wal_index(files_);
    start.index = read.index;
    if (!start.index && attached) throw_changed(files_, "its wal-index cannot be read");
    // It could be rebuilt by the next to come, and what it vouched for be written over.
    if (read.is_live && !attached) throw_changed(files_, "somebody has begun to use its wal-index");
    const format::ParsedWalHeader header = parse(start.header);
    start.in_step = header && (!start.index || header->salt == start.index->salt);
    if (start.in_step || !start.index || start.index->mx_frame == 0) return start;
    context_.tick();
    std::this_thread::sleep_for(100us);
  }
  throw_changed(files_, "the WAL and its index do not come into step");
}

// Who opens the database after its -shm was replaced locks in the new one: our lock in the old one
// keeps no checkpoint of theirs out of main.
void LockedCopy::require_same_shm(const FileStat& shm) const {
  const std::optional<FileStat> now = files_.stat_by_path(SourceFile::shm);
  if (!now || !now->same_file(shm)) throw_changed(files_, "its -shm was replaced");
}

Evidence LockedCopy::copy_wal_mode(bool attached, const FileStat& shm) {
  const WalStart start = read_wal_start(attached);
  if (start.in_step) refuse_struck_index(files_, start.index);
  const FileStat main_before = files_.stat(SourceFile::main);
  static_cast<void>(mover_.move_main(context_));  // may be shortened; the WAL says its size
  if (start.in_step) static_cast<void>(mover_.move_wal(context_, wal_bytes_that_count(start)));
  Evidence evidence{.verdict = Verdict::snapshot, .mover = mover_.mover_used()};
  if (start.in_step && wal_header_by_path(files_) == start.header) {
    if (!start.file->same_file(files_.stat(SourceFile::wal))) {
      throw_changed(files_, "its WAL was replaced");
    }
    take_wal(start, evidence);
    require_no_later_backfill(files_, start.index);
    refuse_struck_image(files_, image_, start.index, options_, context_);
  } else {
    evidence.wal = take_main_alone(start, main_before);
  }
  require_same_shm(shm);
  files_.unseen_locks().note(read_unseen_locks(files_));
  require_no_hot_journal(files_, options_);
  return evidence;
}

// What the index promised at the start: nothing that was backfilled into main since then is newer
// than that, because of our read lock.
std::uint64_t LockedCopy::wal_bytes_that_count(const WalStart& start) {
  if (!start.index) return SourceMover::kWholeFile;
  return format::wal_frame_offset(start.index->mx_frame + std::uint64_t{1},
                                  parse(start.header)->page_size_bytes);
}

void LockedCopy::take_wal(const WalStart& start, Evidence& evidence) {
  const WalScan scan = scan_wal(image_.wal_fd(), image_.wal_path(), context_);
  if (!scan.header || scan.header->salt != parse(start.header)->salt) {
    throw_changed(files_, "its WAL is not the one that was read at the start");
  }
  if (!start.index) {
    if (options_.opaque) {
      require_readable_wal(image_.wal_fd(), image_.wal_path(), files_.given_path());
    }
    evidence.wal = judge_wal(image_, scan, {}, files_.given_path());
    return;
  }
  evidence.wal = position_of(scan, start.index);
  if (scan.committed.frames >= start.index->mx_frame) {
    image_.wal_prefix = scan.committed;
    return;
  }
  // Bug Z: the index vouches for what the checksums do not.
  image_.wal_prefix = prefix_vouched_by_index(image_.wal_fd(), image_.wal_path(), *scan.header,
                                              start.index->mx_frame, start.index->size_pages);
  evidence.warnings.emplace_back(
      "the owner's SQLite committed frames without checksums (a bug fixed in SQLite 3.50); they "
      "were taken by the wal-index. The source loses them if its owner crashes, or closes it while "
      "somebody else reads it");
}

// The WAL was reset inside our lock, or just before: that needs all of the generation in main and
// our reader on read-lock 0, which keeps everybody from writing to main.
WalPosition LockedCopy::take_main_alone(const WalStart& start, const FileStat& main_before) {
  // Without an index nothing but the header tells that the WAL was used meanwhile.
  if (!start.index && wal_header_by_path(files_) != start.header) {
    throw_changed(files_, "its WAL is used by a program whose locks are not on its -shm");
  }
  // Nor does anything say then that main was complete.
  if (start.in_step && (!start.index || start.index->backfilled_frames < start.index->mx_frame)) {
    throw_changed(files_, "its WAL was reset in spite of our read lock");
  }
  if (!main_before.unchanged(files_.stat(SourceFile::main))) {
    throw_changed(files_, "its main file was written in spite of our read lock");
  }
  if (options_.opaque && !start.index && files_.has(SourceFile::wal)) {
    require_readable_wal(files_.fd_of(SourceFile::wal), files_.path_of(SourceFile::wal),
                         files_.given_path());
  }
  if (image_.has_wal()) image_.discard_wal();
  return {.was_reset = start.in_step};
}

// SHARED keeps every rollback-mode writer out of main; only a WAL could be written around it.
Evidence LockedCopy::copy_rollback_mode(const SourceFacts& facts) {
  const bool had_wal = files_.stat_by_path(SourceFile::wal).has_value();
  // Who made it may not be attached yet, and be gone at the end.
  if (had_wal && !facts.wal) throw_changed(files_, "a -wal file appeared");
  if (had_wal && lock_state(files_).dms) throw_changed(files_, "somebody uses its empty -wal");
  const FileStat before = files_.stat(SourceFile::main);
  if (lock_state(files_).exclusive) {
    throw_changed(files_, "a writer holds it exclusively in spite of our read lock");
  }
  require_no_hot_journal(files_, options_);
  if (mover_.move_main(context_) != before.size_bytes) throw_changed(files_, "its size");
  // An empty one that appeared may have been emptied into main by a checkpoint.
  const std::optional<FileStat> wal = files_.stat_by_path(SourceFile::wal);
  files_.refresh(SourceFile::shm);
  if (wal && (!had_wal || wal->size_bytes > 0 || lock_state(files_).dms)) {
    throw_changed(files_, "a -wal file appeared");
  }
  // All see owners whose locks are no record locks.
  files_.unseen_locks().note(read_unseen_locks(files_));
  require_no_hot_journal(files_, options_);
  if (!before.unchanged(files_.stat(SourceFile::main))) {
    throw_changed(files_, "its main file was written in spite of our read lock");
  }
  return {.verdict = Verdict::snapshot, .mover = mover_.mover_used()};
}

}  // namespace sqlbk::copy
