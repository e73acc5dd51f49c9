// What can be told about a database without touching it: no SQLite connection, no lock, nothing
// written, only descriptors for reading. Collected here; printed by cmd_inspect.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sqlbk/core/copy_strategy.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/named_locks.hpp"
#include "sqlbk/core/open_files.hpp"
#include "sqlbk/core/reflink_support.hpp"
#include "sqlbk/core/source.hpp"
#include "sqlbk/core/wal_contents.hpp"
#include "sqlbk/core/wal_reset_bug.hpp"

namespace sqlbk::tool {

// What `sqlbk copy` would do now.
struct CopyPlan {
  std::vector<std::string> decisions;  // as by --dry-run; empty where it is refused
  std::optional<Error> refusal;
};

// Its parts are looked at one after another: where somebody writes, each is true of its own moment.
struct Inspection {
  SourceFacts facts;
  // Page 1 as of the newest commit; in the WAL, if it holds one. nullopt: an empty database.
  std::optional<format::DbHeader> header;
  bool header_is_in_wal = false;
  std::uint64_t size_pages = 0;
  std::optional<WalContents> wal;                   // nullopt: there is none, or it is empty
  std::optional<format::WalIndexHeader> wal_index;  // while somebody is attached to it
  WalResetBugFinding wal_reset_bug;
  OpenFiles open;
  std::vector<NamedLock> locks;
  ReflinkSupport reflink = ReflinkSupport::unknown;
  CopyPlan plan;
  std::vector<std::string> warnings;
};

// Throws not_a_database or unsupported_database where there is no header that could be read, and
// whatever opening and reading the files throws.
Inspection inspect(const std::string& path, const StrategyChooser& automatic);

// "wal"; or "truncate" or "persist", where a journal lies there as one of these leaves it; or
// "rollback": delete, memory or off, or nothing tells which.
std::string_view journal_mode(const Inspection& inspection) noexcept;
// "none" (there is no file), "inactive", "active" (a transaction is under way) or "hot".
std::string_view journal_state(const SourceFacts& facts) noexcept;
std::string_view auto_vacuum(const format::DbHeader& header) noexcept;  // as PRAGMA auto_vacuum
std::string_view encoding(const format::DbHeader& header) noexcept;     // as PRAGMA encoding
// "main", "wal", "shm" or "journal".
std::string_view name_of(SourceFile file) noexcept;
// Faults of the SQLite version that wrote the header: "frames-without-checksums", "wal-reset".
std::vector<std::string_view> known_bugs(const format::DbHeader& header);

}  // namespace sqlbk::tool
