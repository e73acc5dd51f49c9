// What of a WAL counts, and whether something that once counted is cut off (wal_tail.hpp).
#include <array>

#include "sqlbk/core/io.hpp"
#include "sqlbk/core/wal_reset_bug.hpp"
#include "sqlbk/core/wal_scan.hpp"
#include "sqlbk/core/wal_tail.hpp"
#include "verify/checks.hpp"

namespace sqlbk::checkpoint {
namespace {

void report_lost(std::uint64_t bad, std::uint64_t last, const std::string& what,
                 StepReport& found) {
  found.findings.push_back(what + ": the commits up to frame " + std::to_string(last) +
                           " are lost, from frame " + std::to_string(bad) + " on");
}

// A header that SQLite does not accept takes the whole WAL away.
void check_without_header(const LiveFiles& files, const SourceFacts& facts, RunContext& context,
                          VerifyReport& report, StepReport& found) {
  const std::string issue(format::to_string(facts.wal_header.issue));
  if (facts.header) {
    const std::uint64_t last =
        last_commit_without_header(files.fd_of(SourceFile::wal), files.path_of(SourceFile::wal),
                                   facts.header->page_size_bytes, context);
    if (last != 0) {
      report_lost(1, last, "the WAL's header is damaged (" + issue + ")", found);
      return;
    }
  }
  report.notes.push_back("the WAL's header is not valid (" + issue +
                         "): SQLite takes the WAL for empty");
}

// The wal-index that was left behind remembers how many frames were committed.
void check_against_index(const LiveFiles& files, const WalScan& scan, StepReport& found) {
  std::array<std::byte, format::kWalIndexHeaderSizeBytes> bytes{};
  const std::size_t got = files.read(SourceFile::shm, bytes, 0);
  const auto index = format::parse_wal_index_header(format::Bytes(bytes).first(got));
  if (!index || index->salt != scan.header->salt || scan.zero_salts_follow) return;
  if (index->mx_frame > scan.committed.frames) {
    found.findings.push_back("the wal-index says that " + std::to_string(index->mx_frame) +
                             " frames are committed, but only " +
                             std::to_string(scan.committed.frames) + " are whole");
  }
}

WalFacts facts_of(const WalScan& scan, std::uint64_t size_bytes) {
  return {.salt = scan.header->salt,
          .frames = format::wal_frames_in(size_bytes, scan.header->page_size_bytes),
          .valid_frames = scan.valid_frames,
          .committed_frames = scan.committed.frames};
}

// As long as a program is attached, the wal-index tells.
void check_for_wal_reset_bug(LiveFiles& files, RunContext& context, StepReport& found) {
  const WalResetBugFinding finding =
      find_wal_reset_bug(files, WalReadLocks::none, [&context] { context.tick(); });
  if (finding.answer != WalResetBugAnswer::struck) return;
  found.findings.push_back("SQLite's WAL-reset bug has struck: " + numbers_of(finding));
}

}  // namespace

void check_wal(LiveFiles& files, const SourceFacts& facts, RunContext& context,
               VerifyReport& report, StepReport& found) {
  if (facts.wal_size_bytes() == 0) {
    found.verdict = StepVerdict::skipped;
    found.findings.emplace_back("there is none");
    return;
  }
  if (!facts.wal_header) {
    check_without_header(files, facts, context, report, found);
    return;
  }
  if (facts.header && facts.header->page_size_bytes != facts.wal_header->page_size_bytes) {
    found.verdict = StepVerdict::could_not_check;
    found.findings.push_back("its pages have " + std::to_string(facts.wal_header->page_size_bytes) +
                             " bytes, those of the database " +
                             std::to_string(facts.header->page_size_bytes) +
                             ": it belongs to another database");
    return;
  }
  const WalScan scan =
      scan_wal(files.fd_of(SourceFile::wal), files.path_of(SourceFile::wal), context);
  // A writer may have started the WAL anew meanwhile: what was read is then of two generations.
  if (!scan.header || !facts.at_rest()) {
    report.notes.emplace_back(
        "the WAL is in use: what stands behind its last commit was not judged");
    if (scan.header) report.wal = facts_of(scan, files.stat(SourceFile::wal).size_bytes);
    check_for_wal_reset_bug(files, context, found);
    return;
  }
  report.wal = facts_of(scan, facts.wal_size_bytes());
  const std::uint64_t bad = scan.valid_frames + 1;
  const std::uint64_t last = last_commit_cut_off(files.fd_of(SourceFile::wal),
                                                 files.path_of(SourceFile::wal), scan, context);
  if (last != 0) report_lost(bad, last, "frame " + std::to_string(bad) + " is damaged", found);
  if (last == 0) check_against_index(files, scan, found);
  if (scan.zero_salts_follow) {
    report.notes.emplace_back(
        "frames without checksums follow, as SQLite up to 3.49.2 can leave them: nothing tells "
        "whether they are committed");
  }
}

}  // namespace sqlbk::checkpoint
