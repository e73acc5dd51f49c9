// What can be known about a source without touching it: no SQLite connection, no lock, no write.
// Thread-safety: values; probing as LiveFiles.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/file_system.hpp"
#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/locks.hpp"
#include "sqlbk/format/db_header.hpp"
#include "sqlbk/format/journal.hpp"
#include "sqlbk/format/wal.hpp"
#include "sqlbk/format/wal_index.hpp"

namespace sqlbk {

struct SourceFacts {
  std::string given_path;
  std::string main_path;
  FileStat main;
  std::optional<FileStat> wal;
  std::optional<FileStat> shm;
  std::optional<FileStat> journal;
  format::ParsedDbHeader header;
  bool is_blank = false;  // page 1 was never written: only zeros where the header should be
  format::ParsedWalHeader wal_header;
  format::JournalState journal_state = format::JournalState::inactive;
  bool names_super_journal = false;
  bool has_lock_directory = false;  // 'main.lock', by which a VFS without visible locks locks it
  bool has_wal2 = false;            // of a branch of SQLite
  FileSystem file_system;
  LockState locks;

  std::uint64_t wal_size_bytes() const noexcept { return wal ? wal->size_bytes : 0; }
  bool is_empty() const noexcept { return main.size_bytes == 0; }
  // The `-wal` file decides, not header bytes 18/19 (pagerOpenWalIfPresent() in pager.c): one that
  // holds anything is part of the database even where the header says 1/1; an empty one is none
  // (unixAccess() in os_unix.c), unless the header cannot be read and it may have been filled and
  // emptied.
  bool uses_wal() const noexcept {
    return wal_size_bytes() > 0 || (header ? header->says_wal() : wal.has_value());
  }
  // Nobody holds a lock: no WAL connection is open, no rollback transaction is under way.
  bool at_rest() const noexcept { return !locks.any(); }
  // An active journal whose writer is gone (hasHotJournal() in pager.c).
  bool has_hot_journal() const noexcept {
    return journal_state == format::JournalState::active && !locks.reserved;
  }
  std::uint64_t total_size_bytes() const noexcept { return main.size_bytes + wal_size_bytes(); }
};

// What the user accepts beyond a database in clear text on a local file system.
struct SourceAllowance {
  bool foreign = false;  // another kernel may write the files unseen, and nothing is promised
  // Read through SQLite alone, which asks for nothing but locks that work: FUSE, and in rollback
  // mode a network.
  bool by_sqlite_alone = false;
  bool opaque = false;  // encrypted: no field of the main file's header means anything
};

// Looks again at everything, opening sidecars that have appeared.
SourceFacts probe_source(LiveFiles& files);

// Why no strategy may copy this source: not_a_database, unsupported_database, damaged, or
// unsupported_file_system.
struct Refusal {
  Errc code;
  std::string reason;  // "the -wal beside it has an unknown format version"
  std::string hint;    // "": that of the code
};
// As an error of the operation that cannot be done: "unable to OPERATION 'PATH': REASON".
Error refused(const Refusal& refusal, std::string_view operation, const std::string& path);

std::optional<Refusal> refusal_of(const SourceFacts& facts, const SourceAllowance& allowance = {});
// Throws the refusal, if there is one.
void require_copyable(const SourceFacts& facts, const SourceAllowance& allowance = {});

// For plans; a run finds it on the copy. Throws damaged where nobody writes and the file is shorter
// than its own header says.
void require_whole(LiveFiles& files, const SourceFacts& facts);

// The header of the main file, the `-wal`, the `-shm` or `-journal`, read from the descriptor.
format::ParsedDbHeader read_db_header(const LiveFiles& files);
format::ParsedWalHeader read_wal_header(const LiveFiles& files);
// nullopt: no -shm, or no connection is attached to it, or its header cannot be read whole.
std::optional<format::WalIndexHeader> read_live_wal_index(const LiveFiles& files);
format::JournalState read_journal_state(const LiveFiles& files);

}  // namespace sqlbk
