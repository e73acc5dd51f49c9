#include "inspection.hpp"

#include <utility>

#include "sqlbk/format/sqlite_version.hpp"

namespace sqlbk::tool {
namespace {

void require_database(const SourceFacts& facts) {
  if (facts.is_empty() || facts.header) return;
  const bool is_foreign = facts.header.issue == format::DbHeaderIssue::bad_read_version;
  Error error(is_foreign ? Errc::unsupported_database : Errc::not_a_database,
              quoted(facts.given_path) + " is not a database that sqlbk knows: " +
                  std::string(format::to_string(facts.header.issue)));
  error.with_path(facts.given_path);
  throw error;
}

std::uint64_t pages_in_main(const SourceFacts& facts) {
  if (facts.is_empty()) return 0;
  if (facts.header->has_valid_size()) return facts.header->size_pages;
  return facts.main.size_bytes / facts.header->page_size_bytes;
}

void choose_header(Inspection& found) {
  found.size_pages = pages_in_main(found.facts);
  if (found.facts.header) found.header = *found.facts.header;
  // SQLite deletes a WAL beside an empty main unread (pagerOpenWalIfPresent() in pager.c).
  if (!found.wal || found.facts.is_empty()) return;
  if (found.wal->committed_frames != 0) found.size_pages = found.wal->committed_size_pages;
  found.header_is_in_wal = found.wal->db_header.has_value();
  if (found.header_is_in_wal) found.header = found.wal->db_header;
}

CopyPlan plan_of(LiveFiles& files, const Inspection& found, const StrategyChooser& automatic) {
  const SourceFacts& facts = found.facts;
  CopyPlan plan;
  try {
    require_copyable(facts, {.by_sqlite_alone = automatic.traits().by_sqlite_alone});
    require_whole(files, facts);
    if (found.wal_reset_bug.answer == WalResetBugAnswer::struck) {
      throw wal_reset_bug_error(found.wal_reset_bug, facts.given_path);
    }
    plan.decisions = automatic.explain(facts);
  } catch (Error& error) {
    if (error.path().empty()) {
      error.add_context("unable to copy " + sqlbk::quoted(facts.given_path));
      error.with_path(facts.given_path);
    }
    plan.refusal = error.with_source(facts.given_path);
  }
  return plan;
}

std::string count_of(std::uint64_t count, const std::string& what) {
  return std::to_string(count) + ' ' + what + (count == 1 ? "" : "s");
}

void warn_of_bugs(Inspection& found) {
  if (!found.header || !found.facts.uses_wal()) return;
  const std::uint32_t version = found.header->sqlite_version;
  const std::string writer = "SQLite " + format::version_text(version) + ", which wrote to it, ";
  if (format::may_commit_without_checksums(version)) {
    found.warnings.push_back(
        writer +
        "can commit frames without checksums to the WAL, which are lost if its "
        "programs are killed; versions up to 3.49.2 do. Copies by sqlbk take it into account");
  }
  if (format::has_wal_reset_bug(version)) {
    found.warnings.push_back(writer +
                             "can, rarely, damage the database when several connections "
                             "checkpoint; fixed in 3.51.3. 'sqlbk verify' tells whether it did");
  }
}

// The chain ends before frames that may be committed (docs/formats/wal.md, "Frames without salts").
void warn_of_zero_salts(Inspection& found) {
  if (!found.wal || !found.wal->header) return;
  const WalContents& wal = *found.wal;
  const bool index_counts = found.wal_index && found.wal_index->salt == wal.header->salt;
  if (index_counts && found.wal_index->mx_frame > wal.committed_frames) {
    found.warnings.push_back(
        "by the wal-index " + count_of(found.wal_index->mx_frame, "frame") + " of the WAL are " +
        "committed, but checksums prove only " + std::to_string(wal.committed_frames) +
        ": what was committed behind them is lost if its programs are killed; a checkpoint helps");
  } else if (!index_counts && wal.zero_salts_follow) {
    found.warnings.push_back(
        "behind frame " + std::to_string(wal.valid_frames) +
        " the WAL has frames without checksums, as SQLite up to 3.49.2 may commit them, and nobody "
        "vouches for them");
  }
}

void warn_of_files(Inspection& found) {
  const SourceFacts& facts = found.facts;
  if (found.wal && !found.wal->is_settled) {
    found.warnings.emplace_back(
        "the WAL was reset again and again while it was read: its figures may "
        "be of several generations");
  }
  if (found.wal && found.wal->header && facts.header && !facts.header->says_wal()) {
    found.warnings.emplace_back(
        "the header says rollback mode, but a WAL lies beside it, and SQLite reads it");
  }
  if (facts.journal_state == format::JournalState::active && facts.names_super_journal) {
    found.warnings.emplace_back(
        "the journal belongs to a transaction over several databases: it depends on another file");
  }
  // A writer may be about to make it longer.
  const bool main_has_all = !facts.locks.writer && (!found.wal || found.wal->committed_frames == 0);
  if (main_has_all && !facts.is_empty() &&
      found.size_pages * facts.header->page_size_bytes > facts.main.size_bytes) {
    found.warnings.push_back("the database is truncated: its header says " +
                             count_of(found.size_pages, "page") + ", the file is shorter");
  }
}

}  // namespace

Inspection inspect(const std::string& path, const StrategyChooser& automatic) {
  Inspection found;
  LiveFiles files(path);
  found.facts = probe_source(files);
  require_database(found.facts);
  // Before the WAL: frames that it counts must then be there.
  found.wal_index = read_live_wal_index(files);
  if (found.facts.wal_size_bytes() > 0) found.wal = read_wal_contents(files);
  choose_header(found);
  found.open = list_open_files(files);
  found.locks = list_named_locks(files);
  found.reflink = reflink_support(files.fd_of(SourceFile::main));
  found.wal_reset_bug = find_wal_reset_bug(files, WalReadLocks::none, [] {});
  found.plan = plan_of(files, found, automatic);
  warn_of_bugs(found);
  warn_of_zero_salts(found);
  warn_of_files(found);
  return found;
}

std::string_view journal_mode(const Inspection& inspection) noexcept {
  const SourceFacts& facts = inspection.facts;
  if (facts.uses_wal()) return "wal";
  // Of a transaction that is under way, the journal looks like one of PERSIST until it is synced.
  const bool tells =
      facts.journal && facts.journal_state == format::JournalState::inactive && !facts.locks.writer;
  if (!tells) return "rollback";
  return facts.journal->size_bytes == 0 ? "truncate" : "persist";
}

std::string_view journal_state(const SourceFacts& facts) noexcept {
  if (!facts.journal) return "none";
  if (facts.has_hot_journal()) return "hot";
  return facts.journal_state == format::JournalState::active ? "active" : "inactive";
}

std::string_view auto_vacuum(const format::DbHeader& header) noexcept {
  if (header.auto_vacuum_root == 0) return "none";
  return header.incremental_vacuum != 0 ? "incremental" : "full";
}

std::string_view encoding(const format::DbHeader& header) noexcept {
  switch (header.text_encoding) {
    case 0:
      return "not set";
    case 1:
      return "UTF-8";
    case 2:
      return "UTF-16le";
    case 3:
      return "UTF-16be";
    default:
      return "unknown";
  }
}

std::string_view name_of(SourceFile file) noexcept {
  switch (file) {
    case SourceFile::main:
      return "main";
    case SourceFile::wal:
      return "wal";
    case SourceFile::shm:
      return "shm";
    case SourceFile::journal:
      return "journal";
  }
  return "unknown";
}

std::vector<std::string_view> known_bugs(const format::DbHeader& header) {
  std::vector<std::string_view> bugs;
  if (format::may_commit_without_checksums(header.sqlite_version)) {
    bugs.emplace_back("frames-without-checksums");
  }
  if (format::has_wal_reset_bug(header.sqlite_version)) bugs.emplace_back("wal-reset");
  return bugs;
}

}  // namespace sqlbk::tool
