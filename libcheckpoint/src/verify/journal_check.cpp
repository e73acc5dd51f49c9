#include <array>

#include "verify/checks.hpp"

namespace sqlbk::checkpoint {

void check_journal(const LiveFiles& files, const SourceFacts& facts, VerifyReport& report,
                   StepReport& found) {
  if (!facts.journal || facts.journal->size_bytes == 0) {
    found.verdict = StepVerdict::skipped;
    found.findings.emplace_back("there is none");
    return;
  }
  report.journal = JournalFacts{.size_bytes = facts.journal->size_bytes, .records = {}};
  if (facts.journal_state != format::JournalState::active) return;  // of a transaction that ended
  if (!facts.has_hot_journal()) {
    report.notes.emplace_back("a writer is in the middle of a transaction");
    return;
  }
  std::array<std::byte, format::kJournalHeaderSizeBytes> bytes{};
  const std::size_t got = files.read(SourceFile::journal, bytes, 0);
  const format::ParsedJournalHeader header =
      format::parse_journal_header(format::Bytes(bytes).first(got));
  if (!header) {
    // SQLite takes it for one that was never synced, and does not play it back.
    report.notes.push_back("the journal is not valid (" +
                           std::string(format::to_string(header.issue)) + ")");
    return;
  }
  report.journal->has_as_many_as_fit = header->record_count == format::kJournalCountFromSize;
  if (!report.journal->has_as_many_as_fit) report.journal->records = header->record_count;
  report.notes.emplace_back(
      "a hot journal: a program died in a transaction; what is checked is a copy on which it was "
      "rolled back");
  if (facts.names_super_journal) {
    report.notes.emplace_back("it names a super-journal, a transaction of several databases");
  }
}

}  // namespace sqlbk::checkpoint
