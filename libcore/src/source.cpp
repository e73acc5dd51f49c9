#include "sqlbk/core/source.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include "sqlbk/core/error.hpp"
#include "truncation.hpp"

namespace sqlbk {
namespace {

using namespace std::chrono_literals;

constexpr int kHeaderTries = 20;

std::optional<FileStat> stat_if_open(const LiveFiles& files, SourceFile file) {
  return files.has(file) ? std::optional(files.stat(file)) : std::nullopt;
}

bool read_is_blank(const LiveFiles& files) {
  std::array<std::byte, format::kDbHeaderSizeBytes> bytes{};
  const std::size_t got = files.read(SourceFile::main, bytes, 0);
  return got == bytes.size() &&
         std::ranges::count(bytes, std::byte{0}) == static_cast<std::ptrdiff_t>(bytes.size());
}

bool read_super_journal_mark(const LiveFiles& files) {
  if (!files.has(SourceFile::journal)) return false;
  const std::uint64_t size = files.stat(SourceFile::journal).size_bytes;
  std::array<std::byte, format::kSuperJournalTailSizeBytes> tail{};
  if (size < tail.size()) return false;
  const std::size_t got = files.read(SourceFile::journal, tail, size - tail.size());
  return got == tail.size() && format::names_super_journal(tail);
}

using MaybeRefusal = std::optional<Refusal>;

MaybeRefusal unsupported(const std::string& reason) {
  return Refusal{.code = Errc::unsupported_database, .reason = reason, .hint = ""};
}

MaybeRefusal not_a_database(const std::string& reason) {
  return Refusal{.code = Errc::not_a_database, .reason = reason, .hint = ""};
}

MaybeRefusal bad_header(const SourceFacts& facts) {
  using format::DbHeaderIssue;
  const std::string what(format::to_string(facts.header.issue));
  switch (facts.header.issue) {
    case DbHeaderIssue::none:
      return std::nullopt;
    case DbHeaderIssue::too_short:
    case DbHeaderIssue::bad_magic:
      return not_a_database("not a SQLite database: the file " + what);
    case DbHeaderIssue::bad_read_version:
      return unsupported(what + ": written by a branch of SQLite with another format");
    case DbHeaderIssue::bad_page_size:
    case DbHeaderIssue::bad_reserved:
    case DbHeaderIssue::bad_fractions:
      break;
  }
  return not_a_database("damaged or not a SQLite database: " + what);
}

// Page 1 comes last where the first transaction is long: until then only the journal tells that
// this is a database, and what is rolled back by it is an empty one.
bool is_being_created(const SourceFacts& facts) {
  return facts.is_blank && facts.journal_state == format::JournalState::active;
}

MaybeRefusal unknown_wal_version(const SourceFacts& facts) {
  if (facts.wal_header.issue != format::WalHeaderIssue::bad_version) return std::nullopt;
  return unsupported("the -wal beside it has an unknown format version");
}

// Of an encrypted database nothing but its size can be judged.
MaybeRefusal odd_size(const SourceFacts& facts) {
  constexpr std::uint64_t kLeastPageSizeBytes = 512;
  const std::uint64_t unit_bytes =
      facts.wal_header ? facts.wal_header->page_size_bytes : kLeastPageSizeBytes;
  if (facts.main.size_bytes % unit_bytes == 0) return std::nullopt;
  return not_a_database("not an encrypted SQLite database: its size, " +
                        std::to_string(facts.main.size_bytes) + " bytes, is no multiple of " +
                        std::to_string(unit_bytes));
}

MaybeRefusal mismatched_wal(const SourceFacts& facts) {
  if (!facts.wal_header || facts.wal_header->page_size_bytes == facts.header->page_size_bytes) {
    return std::nullopt;
  }
  return Refusal{
      .code = Errc::unsupported_database,
      .reason = "the -wal beside it has pages of " +
                std::to_string(facts.wal_header->page_size_bytes) + " bytes, the database of " +
                std::to_string(facts.header->page_size_bytes) + ": it belongs to another database",
      .hint = "move the foreign -wal file away, if you are sure that it is not the database's"};
}

MaybeRefusal foreign_file_system(const SourceFacts& facts, const SourceAllowance& allowance) {
  const FileSystemKind kind = facts.file_system.kind;
  if (is_this_kernels(kind) || allowance.foreign) return std::nullopt;
  if (kind == FileSystemKind::network && facts.uses_wal()) {
    return Refusal{
        .code = Errc::unsupported_file_system,
        .reason = "it is in WAL mode and lies on " + facts.file_system.name +
                  ", where the memory that its users share is not that of other machines",
        .hint = "run sqlbk on the machine that holds the files"};
  }
  if (allowance.by_sqlite_alone) return std::nullopt;
  return Refusal{
      .code = Errc::unsupported_file_system,
      .reason = "it lies on " + facts.file_system.name +
                ", where nothing but SQLite's own locks can keep a copy consistent",
      .hint = allowance.opaque
                  ? "name the files where they lie, not through " + facts.file_system.name
                  : "copy it as one file with --strategy online, which auto takes there, too"};
}

MaybeRefusal files_of_other_owners(const SourceFacts& facts) {
  if (facts.has_lock_directory) {
    return unsupported(
        "its owner locks it by a '.lock' directory (unix-dotfile), which shows no locks");
  }
  if (facts.has_wal2) {
    return unsupported("a '-wal2' file belongs to a branch of SQLite");
  }
  return std::nullopt;
}

MaybeRefusal wal_without_main(const SourceFacts& facts) {
  if (!facts.is_empty() || facts.wal_size_bytes() == 0) return std::nullopt;
  // Not even to be read through SQLite, which deletes such a WAL (pagerOpenWalIfPresent()).
  return Refusal{
      .code = Errc::damaged,
      .reason = "its main file is empty, but its -wal is not",
      .hint = "the WAL may be all that is left: copy both files away before anything opens them"};
}

MaybeRefusal bad_content(const SourceFacts& facts) {
  if (facts.is_empty() || is_being_created(facts)) return std::nullopt;
  MaybeRefusal found = bad_header(facts);
  return found ? found : mismatched_wal(facts);
}

}  // namespace

void require_whole(LiveFiles& files, const SourceFacts& facts) {
  const auto is_short = [](const SourceFacts& seen) {
    return seen.at_rest() && seen.wal_size_bytes() == 0 && !seen.has_hot_journal() && seen.header &&
           seen.header->has_valid_size() &&
           std::uint64_t{seen.header->size_pages} * seen.header->page_size_bytes >
               seen.main.size_bytes;
  };
  if (!is_short(facts)) return;
  // The parts of what was seen are of different moments; of a writer between them nothing is left.
  const SourceFacts again = probe_source(files);
  if (!is_short(again)) return;
  throw Error(Errc::damaged, truncation(*again.header, again.main.size_bytes));
}

format::ParsedDbHeader read_db_header(const LiveFiles& files) {
  std::array<std::byte, format::kDbHeaderSizeBytes> bytes{};
  const std::size_t got = files.read(SourceFile::main, bytes, 0);
  return format::parse_db_header(format::Bytes(bytes).first(got));
}

format::ParsedWalHeader read_wal_header(const LiveFiles& files) {
  std::array<std::byte, format::kWalHeaderSizeBytes> bytes{};
  const std::size_t got = files.read(SourceFile::wal, bytes, 0);
  return format::parse_wal_header(format::Bytes(bytes).first(got));
}

std::optional<format::WalIndexHeader> read_live_wal_index(const LiveFiles& files) {
  if (!files.has(SourceFile::shm)) return std::nullopt;
  const auto somebody_attached = [&files] {
    return conflicting_lock(files.fd_of(SourceFile::shm), format::kWalDmsLockByte, 1, false,
                            files.path_of(SourceFile::shm))
        .has_value();
  };
  // A commit may be changing the header under us; it takes well under a microsecond.
  for (int i = 0; i < kHeaderTries; ++i) {
    // Before and after: what was left behind by connections that are gone means nothing, and the
    // first new one locks before it rebuilds.
    if (!somebody_attached()) return std::nullopt;
    std::array<std::byte, format::kWalIndexHeaderSizeBytes> bytes{};
    const std::size_t got = files.read(SourceFile::shm, bytes, 0);
    const auto parsed = format::parse_wal_index_header(format::Bytes(bytes).first(got));
    if (!somebody_attached() || !files.is_current(SourceFile::shm)) return std::nullopt;
    if (parsed) return *parsed;
    std::this_thread::sleep_for(100us);
  }
  return std::nullopt;
}

format::JournalState read_journal_state(const LiveFiles& files) {
  std::array<std::byte, 1> first{};
  const std::size_t got = files.read(SourceFile::journal, first, 0);
  return format::journal_state(format::Bytes(first).first(got));
}

namespace {

// A journal that is active while nobody holds RESERVED is a crashed owner's. The two are not seen
// at one moment: only the same journal (its nonce) before and after RESERVED was asked for tells it
// from one whose writer has just gone, or just come.
void read_journal(LiveFiles& files, SourceFacts& facts) {
  using Header = std::array<std::byte, format::kJournalHeaderSizeBytes>;
  for (int i = 0; i < kHeaderTries; ++i) {
    files.refresh(SourceFile::journal);
    facts.journal = stat_if_open(files, SourceFile::journal);
    facts.journal_state = read_journal_state(files);
    if (facts.journal_state != format::JournalState::active) return;
    Header before{};
    static_cast<void>(files.read(SourceFile::journal, before, 0));
    facts.locks = lock_state(files);
    if (facts.locks.reserved) return;
    Header after{};
    static_cast<void>(files.read(SourceFile::journal, after, 0));
    if (before == after && files.is_current(SourceFile::journal)) return;
  }
}

}  // namespace

SourceFacts probe_source(LiveFiles& files) {
  files.refresh_sidecars();
  SourceFacts facts;
  facts.given_path = files.given_path();
  facts.main_path = files.main_path();
  facts.file_system = file_system_of(files.fd_of(SourceFile::main), files.main_path());
  facts.locks = lock_state(files);
  facts.main = files.stat(SourceFile::main);
  facts.header = read_db_header(files);
  // A header that a writer is changing right now reads as garbage once, not twenty times.
  for (int i = 0; i < kHeaderTries && !facts.header && facts.locks.any(); ++i) {
    std::this_thread::sleep_for(1ms);
    facts.main = files.stat(SourceFile::main);
    facts.header = read_db_header(files);
  }
  facts.is_blank = !facts.header && read_is_blank(files);
  facts.wal = stat_if_open(files, SourceFile::wal);
  facts.shm = stat_if_open(files, SourceFile::shm);
  facts.journal = stat_if_open(files, SourceFile::journal);
  facts.wal_header = read_wal_header(files);
  read_journal(files, facts);
  facts.names_super_journal = read_super_journal_mark(files);
  // unix-dotfile makes a directory (dotlockLock() in os_unix.c); a '.lock' file is somebody else's.
  const std::optional<FileStat> dot_lock = files.stat_beside(".lock");
  facts.has_lock_directory = dot_lock && dot_lock->is_directory();
  facts.has_wal2 = files.stat_beside("-wal2").has_value();
  return facts;
}

Error refused(const Refusal& refusal, std::string_view operation, const std::string& path) {
  Error error(refusal.code,
              "unable to " + std::string(operation) + " " + quoted(path) + ": " + refusal.reason);
  return error.with_path(path).with_hint(refusal.hint);
}

std::optional<Refusal> refusal_of(const SourceFacts& facts, const SourceAllowance& allowance) {
  MaybeRefusal found = foreign_file_system(facts, allowance);
  if (!found) found = files_of_other_owners(facts);
  if (!found) found = wal_without_main(facts);
  if (!found) found = unknown_wal_version(facts);
  if (!found) found = allowance.opaque ? odd_size(facts) : bad_content(facts);
  return found;
}

void require_copyable(const SourceFacts& facts, const SourceAllowance& allowance) {
  if (const std::optional<Refusal> refusal = refusal_of(facts, allowance)) {
    throw refused(*refusal, "copy", facts.given_path);
  }
}

}  // namespace sqlbk
