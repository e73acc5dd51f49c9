#include "wal_follower.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <utility>

#include "source_changed.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/locks.hpp"
#include "sqlbk/core/source.hpp"
#include "sqlbk/core/wal_scan.hpp"
#include "wal_part.hpp"

namespace sqlbk::copy {
namespace {

using format::wal_frame_offset;
using format::wal_frame_size_bytes;

// So much of a transaction is kept in memory until its commit frame is seen; one that goes on
// behind that is read twice.
constexpr std::size_t kTransactionBytes = std::size_t{4} << 20U;

// What is read at once. Behind the newest commit lie the frames of older generations, or a
// transaction that is not whole yet and read again with the next look: the first read is of one
// frame, each that finds all of it valid is followed by one twice as long.
constexpr std::size_t kMostReadBytes = std::size_t{1} << 20U;

// Salt-1 counts up by one with each reset and wraps around.
bool is_older(std::uint32_t salt1, std::uint32_t than) {
  return static_cast<std::int32_t>(salt1 - than) < 0;
}

}  // namespace

WalFollower::WalFollower(LiveFiles& files, std::string pages_path)
    : files_(files), pages_path_(std::move(pages_path)) {}

void WalFollower::start(const Tick& tick) {
  wal_.reset();
  const std::optional<WalHeaderBytes> bytes = stable_header();
  if (!bytes || parse(bytes)->salt.is_zero()) {
    throw Error(Errc::unsuitable, "unable to follow the WAL of " + quoted(files_.given_path()) +
                                      ": there is none with a valid header")
        .with_path(files_.given_path());
  }
  wal_ = files_.stat(SourceFile::wal);
  kept_.emplace(pages_path_, parse(bytes)->page_size_bytes);
  follow(*bytes);
  look(tick);
}

CommittedView WalFollower::over(BorrowedFile main) const {
  if (size_pages_ == 0) return CommittedView::of_main(std::move(main));
  return {std::move(main), header().page_size_bytes, size_pages_, kept_->pages(size_pages_),
          frames_};
}

// Begins a generation at its frame 1.
void WalFollower::follow(const WalHeaderBytes& bytes) {
  header_bytes_ = bytes;
  const format::ParsedWalHeader header = format::parse_wal_header(bytes);
  scanner_.emplace(*header);
  valid_frames_ = 0;
  last_commit_.clear();
  before_last_.reset();
  confirmed_frames_ = 0;
  denied_frames_ = 0;
}

// nullopt: the path names another file than the one that is followed, or none.
std::optional<WalHeaderBytes> WalFollower::header_now() {
  const std::optional<WalHeaderBytes> bytes = wal_header_by_path(files_);
  if (bytes && wal_ && !wal_->same_file(files_.stat(SourceFile::wal))) return std::nullopt;
  return bytes;
}

// A header that is being written reads as garbage once or twice; nullopt: there is none, or it
// stays invalid.
std::optional<WalHeaderBytes> WalFollower::stable_header() {
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    const std::optional<WalHeaderBytes> bytes = header_now();
    if (!bytes) return std::nullopt;
    if (parse(bytes)) return bytes;
  }
  return std::nullopt;
}

void WalFollower::look(const Tick& tick) {
  while (true) {
    tick();
    const std::optional<WalHeaderBytes> now = stable_header();
    if (!now) throw_changed(files_, "its WAL was removed, emptied or replaced");
    if (*now == header_bytes_) {
      read_on(tick);
      // In this order: what the index has said to be committed is frame K only if the slot behind
      // it still holds what was followed.
      const bool confirmed = index_confirms();
      if (!slot_is_followed_commit()) {
        // Either a commit that nobody was told of was overwritten, or a reset is under way.
        if (stable_header() == header_bytes_) {
          throw_changed(files_, "a commit frame that was followed was overwritten");
        }
        continue;
      }
      if (confirmed) confirmed_frames_ = scanner_->committed_frames();
      if (header_now() == header_bytes_) return;
      continue;
    }
    const format::ParsedWalHeader next = parse(now);
    const format::WalHeader& followed = scanner_->header();
    const bool one_step = next->salt.salt1 == followed.salt.salt1 + 1 && !next->salt.is_zero() &&
                          next->page_size_bytes == followed.page_size_bytes;
    if (!one_step) throw_changed(files_, "its WAL was reset more than once between two looks");
    if (!was_read_to_its_end(*now, tick)) {
      throw_changed(files_, "its WAL was reset before it had been read to its end");
    }
    follow(*now);
    ++resets_;
  }
}

void WalFollower::finish(const Tick& tick) {
  // Read between the copy of main and the last look: what it promises was followed, or is lost.
  files_.refresh(SourceFile::shm);
  const LiveIndex index = read_live_wal_index(files_);
  look(tick);
  if (!newest_commit_stands(tick)) {
    throw_changed(files_, "a transaction that was followed was overwritten");
  }
  const bool index_counts = index && index->salt == header().salt;
  // Also with an index: one that was rebuilt since main was begun has lost them, main may have
  // them.
  const bool lost = zero_salts_follow() || (index_counts && committed_frames() < index->mx_frame);
  // The slot that was looked at may be the next generation's by now.
  if (header_now() != header_bytes_) {
    throw_changed(files_, "its WAL was reset before its end had been looked at");
  }
  if (!lost) return;
  throw Error(Errc::frames_without_checksum,
              "unable to prove a copy of " + quoted(files_.given_path()) +
                  writer_version(files_.fd_of(SourceFile::main), files_.main_path()) +
                  " complete: its WAL has frames without checksums, as SQLite before 3.50 may "
                  "commit them")
      .with_path(files_.given_path());
}

// Commits from frame K+1 on, until the chain ends. Only the very bytes that passed the checksum are
// kept.
void WalFollower::read_on(const Tick& tick) {
  const std::uint32_t page_size = scanner_->header().page_size_bytes;
  const auto frame_size = static_cast<std::size_t>(wal_frame_size_bytes(page_size));
  const std::size_t most = std::max<std::size_t>(1, kMostReadBytes / frame_size) * frame_size;
  format::WalScanner scanner = *scanner_;
  std::size_t pending = 0;  // of the transaction whose commit was not seen yet, in front
  bool is_long = false;     // that transaction is not kept
  for (std::size_t want = frame_size;; want = std::min(2 * want, most)) {
    tick();
    if (buffer_.size() < pending + want) buffer_.resize(pending + want);
    const std::size_t got = files_.read(SourceFile::wal, std::span(buffer_).subspan(pending, want),
                                        wal_frame_offset(scanner.valid_frames() + 1, page_size));
    std::size_t first = 0;  // of the transaction
    std::size_t at = pending;
    for (; at + frame_size <= pending + got; at += frame_size) {
      if (!scanner.accept(format::Bytes(buffer_).subspan(at, frame_size))) break;
      if (scanner.committed_frames() != scanner.valid_frames()) continue;
      const std::size_t end = at + frame_size;
      if (is_long) {
        replay_long_transaction(*scanner_, scanner.committed_frames(), tick);
      } else {
        for (std::size_t kept = first; kept < end; kept += frame_size) {
          put_frame(format::Bytes(buffer_).subspan(kept, frame_size));
        }
      }
      transaction_followed(scanner, format::Bytes(buffer_).subspan(at, frame_size));
      first = end;
      is_long = false;
    }
    valid_frames_ = scanner.valid_frames();
    if (at < pending + want) return;
    is_long = is_long || at - first > kTransactionBytes;
    pending = is_long ? 0 : at - first;
    if (first > 0) {
      std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(first), pending, buffer_.begin());
    }
  }
}

bool WalFollower::index_confirms() {
  const std::uint64_t last = scanner_->committed_frames();
  if (confirmed_frames_ == last) return true;
  files_.refresh(SourceFile::shm);
  const std::optional<format::WalIndexHeader> index = read_live_wal_index(files_);
  if (!index || index->salt != scanner_->header().salt) return false;
  if (index->mx_frame < last) denied_frames_ = last;
  return index->mx_frame >= last;
}

bool WalFollower::has_live_index() {
  files_.refresh(SourceFile::shm);
  return lock_state(files_).dms.has_value();
}

// As padToSectorBoundary makes it (sqlite3WalFrames()): it belongs to the transaction before it.
bool WalFollower::repeats_last_commit(format::Bytes frame) const {
  constexpr std::size_t kNumbers = 8;  // page number and commit size; then salts and checksum
  const format::Bytes last = last_commit_;
  return last.size() == frame.size() &&
         std::ranges::equal(last.first(kNumbers), frame.first(kNumbers)) &&
         std::ranges::equal(last.subspan(format::kWalFrameHeaderSizeBytes),
                            frame.subspan(format::kWalFrameHeaderSizeBytes));
}

// A commit frame may have been written and then not have become a commit: the writer failed before
// it told the wal-index. The next one writes over that transaction from its first frame on, and
// what is shorter leaves frame K alone. Older transactions are safe: the chain went on from them.
bool WalFollower::newest_commit_stands(const Tick& tick) const {
  const std::uint64_t last = scanner_->committed_frames();
  if (last == 0 || confirmed_frames_ == last) return true;
  format::WalScanner scanner = *before_last_;
  const std::uint32_t page_size = scanner.header().page_size_bytes;
  std::vector<std::byte> frame(static_cast<std::size_t>(wal_frame_size_bytes(page_size)));
  while (scanner.valid_frames() < last) {
    tick();
    const std::size_t got = files_.read(SourceFile::wal, frame,
                                        wal_frame_offset(scanner.valid_frames() + 1, page_size));
    if (got != frame.size() || !scanner.accept(frame)) return false;
  }
  return scanner.chain() == scanner_->chain();
}

bool WalFollower::slot_is_followed_commit() const {
  if (scanner_->committed_frames() == 0) return true;
  std::vector<std::byte> slot(last_commit_.size());
  const std::size_t got = files_.read(
      SourceFile::wal, slot,
      wal_frame_offset(scanner_->committed_frames(), scanner_->header().page_size_bytes));
  return got == slot.size() && slot == last_commit_;
}

void WalFollower::put_frame(format::Bytes frame) {
  kept_->put(format::parse_wal_frame_header(frame).page_number,
             frame.subspan(format::kWalFrameHeaderSizeBytes));
}

// All its pages are kept; `commit` is its last frame.
void WalFollower::transaction_followed(const format::WalScanner& after, format::Bytes commit) {
  frames_ += after.committed_frames() - scanner_->committed_frames();
  if (!repeats_last_commit(commit)) before_last_ = *scanner_;
  scanner_ = after;
  valid_frames_ = after.valid_frames();
  size_pages_ = after.committed_size_pages();
  last_commit_.assign(commit.begin(), commit.end());
}

// The second reading of a transaction that did not fit into memory: its commit has been seen, so
// the frames do not change any more, unless the WAL is reset.
void WalFollower::replay_long_transaction(format::WalScanner scanner, std::uint64_t last_frame,
                                          const Tick& tick) {
  const std::uint32_t page_size = scanner.header().page_size_bytes;
  std::vector<std::byte> frame(static_cast<std::size_t>(wal_frame_size_bytes(page_size)));
  while (scanner.valid_frames() < last_frame) {
    tick();
    const std::size_t got = files_.read(SourceFile::wal, frame,
                                        wal_frame_offset(scanner.valid_frames() + 1, page_size));
    if (got != frame.size() || !scanner.accept(frame)) {
      throw_changed(files_, "its WAL was reset in the middle of a long transaction");
    }
    put_frame(frame);
  }
}

// Whether the followed generation had nothing behind frame K when it was reset. Slots behind the
// end of a generation still hold what an older one wrote there, or there is no such slot.
bool WalFollower::was_read_to_its_end(const WalHeaderBytes& next, const Tick& tick) {
  const std::uint64_t last = scanner_->committed_frames();
  if (last == 0) return false;
  const format::WalHeader& followed = scanner_->header();
  const std::uint64_t end = wal_frame_offset(last + 1, followed.page_size_bytes);
  std::array<std::byte, format::kWalFrameHeaderSizeBytes> slot{};
  const std::size_t got = files_.read(SourceFile::wal, slot, end);
  const std::uint64_t size = files_.stat(SourceFile::wal).size_bytes;
  // In this order: if slot K is still ours now, slot K+1 was not yet overwritten a moment ago.
  if (!slot_is_followed_commit() || !newest_commit_stands(tick)) return false;
  // A commit that the wal-index never had may not have been one, and the reset hides that; also
  // where nobody is attached to it any more.
  if (confirmed_frames_ != last && (denied_frames_ == last || has_live_index())) return false;
  bool at_end = false;
  if (got == slot.size()) {
    const format::WalSalt salt = format::parse_wal_frame_header(slot).salt;
    at_end = is_older(salt.salt1, followed.salt.salt1) && !salt.is_zero();
  } else if (got == 0 && size == end) {
    // journal_size_limit cuts the file at the first commit of the next generation; until then the
    // end of the file is where the generation ended.
    at_end = !has_a_commit(*format::parse_wal_header(next), tick);
  }
  return at_end && header_now() == next;
}

bool WalFollower::has_a_commit(const format::WalHeader& header, const Tick& tick) const {
  format::WalScanner scanner(header);
  std::vector<std::byte> frame(
      static_cast<std::size_t>(wal_frame_size_bytes(header.page_size_bytes)));
  while (scanner.committed_frames() == 0) {
    tick();
    const std::size_t got =
        files_.read(SourceFile::wal, frame,
                    wal_frame_offset(scanner.valid_frames() + 1, header.page_size_bytes));
    if (got == frame.size() && scanner.accept(frame)) continue;
    // A commit without checksums (bug Z) would not be seen as one: count it as one.
    return slot_has_zero_salts(
        files_.fd_of(SourceFile::wal), files_.path_of(SourceFile::wal),
        wal_frame_offset(scanner.valid_frames() + 1, header.page_size_bytes));
  }
  return true;
}

// The slot behind the valid prefix carries zero salts, as far as it is there.
bool WalFollower::zero_salts_follow() const {
  return slot_has_zero_salts(
      files_.fd_of(SourceFile::wal), files_.path_of(SourceFile::wal),
      wal_frame_offset(valid_frames_ + 1, scanner_->header().page_size_bytes));
}

}  // namespace sqlbk::copy
