#include "wal_reset_check.hpp"

#include <cstdint>
#include <utility>

#include "source_changed.hpp"
#include "sqlbk/core/committed_view.hpp"
#include "sqlbk/core/steady_wal_index.hpp"

namespace sqlbk::copy {
namespace {

bool is_possible(const format::WalIndexHeader& index) {
  return index.backfilled_frames <= index.mx_frame &&
         index.backfill_attempted_frames <= index.mx_frame;
}

}  // namespace

void refuse_struck(const LiveFiles& files, const WalResetBugFinding& finding) {
  switch (finding.answer) {
    case WalResetBugAnswer::not_asked:
    case WalResetBugAnswer::sound:
      return;
    case WalResetBugAnswer::changed:
      throw_changed(files, "what of its WAL is in main");
    case WalResetBugAnswer::struck:
      throw wal_reset_bug_error(finding, files.given_path());
  }
}

void refuse_struck_index(LiveFiles& files, const LiveIndex& index) {
  if (!index || is_possible(*index)) return;
  refuse_struck(files, find_wal_reset_bug_in_index(files));
}

WalResetBugFinding find_struck(LiveFiles& files, WalReadLocks locks, const CopyOptions& options,
                               RunContext& context) {
  if (options.opaque) return find_wal_reset_bug_in_index(files);
  return find_wal_reset_bug(files, locks, [&context] { context.tick(); });
}

void refuse_struck_source(LiveFiles& files, WalReadLocks locks, const CopyOptions& options,
                          RunContext& context) {
  refuse_struck(files, find_struck(files, locks, options, context));
}

void refuse_struck_image(const LiveFiles& files, StagedImage& image, const LiveIndex& start,
                         const CopyOptions& options, RunContext& context) {
  if (!start || start->backfilled_frames == 0 || options.opaque) return;
  WalPrefix& prefix = *image.wal_prefix;
  const CommittedView view = CommittedView::of_image(image, context);
  BackfilledPages pages =
      compare_backfilled(view.main(), view.newer(), prefix.header.page_size_bytes,
                         start->backfilled_frames, [&context] { context.tick(); });
  if (pages.missing) {
    throw wal_reset_bug_error({.answer = WalResetBugAnswer::struck,
                               .mx_frame = start->mx_frame,
                               .backfilled_frames = start->backfilled_frames,
                               .missing = pages.missing},
                              files.given_path());
  }
  prefix.last_frames = {prefix.frames, std::move(pages.others)};
}

void require_no_later_backfill(const LiveFiles& files, const LiveIndex& start) {
  const std::optional<format::WalIndexHeader> now = read_steady_wal_index(files, true).index;
  if (!start || !now || now->salt != start->salt) return;
  const bool is_attempted = now->backfill_attempted_frames > start->mx_frame &&
                            now->backfill_attempted_frames != start->backfill_attempted_frames;
  if (now->backfilled_frames > start->mx_frame || is_attempted) {
    throw_changed(files, "a checkpoint has gone beyond our read lock");
  }
}

bool may_have_been_backfilled(const LiveFiles& files, const LiveIndex& start,
                              const LiveIndex& now) {
  if (!now) return false;
  return !start || start->salt != now->salt || start->backfilled_frames != now->backfilled_frames ||
         start->backfill_attempted_frames != now->backfill_attempted_frames ||
         is_being_backfilled(files);
}

}  // namespace sqlbk::copy
