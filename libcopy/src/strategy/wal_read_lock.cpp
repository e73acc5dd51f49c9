#include "wal_read_lock.hpp"

#include <chrono>
#include <thread>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/locks.hpp"
#include "sqlbk/core/source.hpp"
#include "sqlbk/format/wal_index.hpp"

namespace sqlbk::copy {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kUnusedMark = 0xffffffff;

struct Candidate {
  unsigned number = 0;
  std::optional<std::uint32_t> mark;  // none: READ_LOCK(0), which has no mark
};

// The newest mark, so that checkpoints can go on up to it. READ_LOCK(0) would protect as well, but
// in its presence every commit beyond the auto-checkpoint threshold sorts all frames in vain
// (walCheckpoint() makes its iterator before it finds lock 0 taken); it is for a WAL that is
// backfilled to its end, where it lets writers start again at the front.
Candidate best_of(const std::optional<format::WalIndexHeader>& index) {
  Candidate best;
  if (!index || index->backfilled_frames == index->mx_frame) return best;
  for (unsigned i = 1; i < index->read_marks.size(); ++i) {
    const std::uint32_t mark = index->read_marks[i];
    if (mark == kUnusedMark || mark > index->mx_frame) continue;
    if (!best.mark || mark > *best.mark) best = {i, mark};
  }
  return best;
}

}  // namespace

WalReadLock::WalReadLock(const LiveFiles& files, RunContext& context)
    : file_(files.stat(SourceFile::shm)) {
  attach(files);
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    const Candidate best = best_of(read_live_wal_index(files));
    if (try_lock(files, best.number, best.mark)) return;
    context.tick();
    std::this_thread::sleep_for(100us);
  }
  const std::string shm = files.path_of(SourceFile::shm);
  throw Error(Errc::source_busy,
              "unable to lock " + quoted(shm) + " for reading: its owners hold it")
      .with_path(shm);
}

// Only where somebody else is: an index that nobody used may say anything, and who comes must see
// that nobody does (unixLockSharedMemory() in os_unix.c).
void WalReadLock::attach(const LiveFiles& files) {
  if (!lock_state(files).dms) return;
  attached_.emplace(files, SourceFile::shm, format::kWalDmsLockByte, 1);
  if (!lock_state(files).dms) attached_.reset();
}

// A mark counts only if it is still the same under the lock: it changes only under an exclusive
// one. A wal-index that was just rebuilt has a smaller one, which holds back more.
bool WalReadLock::try_lock(const LiveFiles& files, unsigned number,
                           std::optional<std::uint32_t> mark) {
  try {
    lock_.emplace(files, SourceFile::shm, format::kWalReadLock0Byte + number, 1);
  } catch (const Error& error) {
    if (error.code() != Errc::source_busy) throw;
    return false;
  }
  number_ = number;
  if (!mark) return true;
  const std::optional<format::WalIndexHeader> now = read_live_wal_index(files);
  if (now && now->read_marks.at(number) == *mark) return true;
  lock_.reset();
  return false;
}

}  // namespace sqlbk::copy
