#include "quiet_copy.hpp"

#include <utility>

#include "opaque_source.hpp"
#include "quiet_proof.hpp"
#include "source_changed.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/steady_wal_index.hpp"
#include "sqlbk/core/wal_tail.hpp"
#include "wal_part.hpp"
#include "wal_reset_check.hpp"

namespace sqlbk::copy {
namespace {

constexpr const char* kHintOpenOnce =
    "open it once with the program that owns it, or with the sqlite3 shell";

void require_whole(std::uint64_t moved, const FileStat& expected, const LiveFiles& files,
                   SourceFile file) {
  if (moved != expected.size_bytes) throw_changed(files, "the size of " + files.path_of(file));
}

struct WalPart {
  WalPosition position;
  std::string warning;  // "": none
};

// Nothing writes, so that what SQLite would silently leave out can be told from what is not
// finished. Returns the warning, or "".
std::string lost_commits(StagedImage& image, const WalScan& scan, const SourceFacts& facts,
                         RunContext& context) {
  const std::string& path = image.wal_path();
  std::uint64_t last = 0;
  if (scan.header) {
    last = last_commit_cut_off(image.wal_fd(), path, scan, context);
  } else if (facts.header) {
    last = last_commit_without_header(image.wal_fd(), path, facts.header->page_size_bytes, context);
  }
  if (last == 0) return "";
  const std::string where =
      scan.header ? "frame " + std::to_string(scan.valid_frames + 1) : std::string("its header");
  return "the WAL is damaged at " + where + ": the commits up to frame " + std::to_string(last) +
         " are lost to SQLite, too, and not in the copy; see 'sqlbk verify'";
}

// Judges the WAL that was copied. REQUIRES: the image has one.
WalPart judge_quiet_wal(const LiveFiles& files, StagedImage& image, const SourceFacts& facts,
                        const LiveIndex& index, const CopyOptions& options, RunContext& context) {
  if (options.opaque) {
    require_readable_wal(image.wal_fd(), image.wal_path(), files.given_path());
  }
  const WalScan scan = scan_wal(image.wal_fd(), image.wal_path(), context);
  std::string lost = lost_commits(image, scan, facts, context);
  return {judge_wal(image, scan, index, files.given_path()), std::move(lost)};
}

// The files were still from before main was copied until now, so that it does not matter when the
// wal-index was read.
void refuse_struck_pages(const LiveFiles& files, StagedImage& image, const LiveIndex& index,
                         const CopyOptions& options, RunContext& context) {
  if (!index || !image.wal_prefix || image.wal_prefix->header.salt != index->salt) return;
  refuse_struck_image(files, image, index, options, context);
}

}  // namespace

Suitability may_roll_back(const SourceFacts& facts) {
  const auto no = [](const char* reason) { return Suitability::no(reason, "copy", kHintOpenOnce); };
  if (facts.names_super_journal && facts.journal_state == format::JournalState::active) {
    return no(
        "its hot journal belongs to a transaction over several databases, which only SQLite can "
        "settle in place");
  }
  if (!facts.header && !facts.is_empty() && !facts.is_blank && facts.has_hot_journal()) {
    return no("it is encrypted and has a hot journal, which cannot be rolled back");
  }
  return {};
}

void require_readable_at_rest(LiveFiles& files, const SourceFacts& facts,
                              const CopyOptions& options, RunContext& context) {
  if (!facts.at_rest() || facts.wal_size_bytes() == 0) return;
  const int fd = files.fd_of(SourceFile::wal);
  const std::string path = files.path_of(SourceFile::wal);
  if (options.opaque) require_readable_wal(fd, path, files.given_path());
  const WalScan scan = scan_wal(fd, path, context);
  if (!scan.header) return;
  require_checksums(scan, {}, files.fd_of(SourceFile::main), files.main_path(), files.given_path());
}

Evidence copy_quietly(LiveFiles& files, StagedImage& image, SourceMover& mover,
                      const CopyOptions& options, RunContext& context, const JournalWatch* watch) {
  QuietProof proof(files, context);
  const SourceFacts& facts = proof.facts();
  require_copyable(facts, {.opaque = options.opaque});
  require_suitable(may_roll_back(facts), files.given_path());
  const bool hot = facts.journal_state == format::JournalState::active;
  if (options.opaque && may_have_active_journal(files)) {
    throw_changed(files, "its journal is active");
  }
  require_whole(mover.move_main(context), facts.main, files, SourceFile::main);
  // Between main and WAL: what the index promises now is in main or in the WAL that follows.
  const LiveIndex index = read_steady_wal_index(files).index;
  refuse_struck_index(files, index);
  if (facts.wal_size_bytes() > 0) {
    require_whole(mover.move_wal(context), *facts.wal, files, SourceFile::wal);
  }
  if (hot) require_whole(mover.move_journal(context), *facts.journal, files, SourceFile::journal);
  proof.finish();
  Evidence evidence{.verdict = hot ? Verdict::recovered : Verdict::at_rest,
                    .mover = mover.mover_used(),
                    .assumptions = proof.assumptions()};
  if (image.has_wal()) {
    WalPart wal = judge_quiet_wal(files, image, facts, index, options, context);
    evidence.wal = wal.position;
    refuse_struck_pages(files, image, index, options, context);
    if (!wal.warning.empty()) evidence.warnings.push_back(std::move(wal.warning));
  } else {
    require_wal_of_index(format::parse_wal_header({}), index, files.given_path());
  }
  // Seen to journal, and to have finished its journal after its last write to main.
  if (proof.rests_on_journal() && watch != nullptr && watch->vouches(facts)) {
    evidence.assumptions.clear();
    evidence.verdict = Verdict::proven;
  }
  return evidence;
}

}  // namespace sqlbk::copy
