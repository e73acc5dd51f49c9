#include "sqlbk/core/error.hpp"

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "sqlbk/core/errno_hint.hpp"
#include "sqlbk/core/printable.hpp"

namespace sqlbk {
namespace {

constexpr std::array kTable{
    ErrcInfo{Errc::io_error, "io_error", 1, Retry::no, "a read, write or other system call failed",
             "look at the file system and the kernel's log, then run the same command again"},
    ErrcInfo{Errc::no_space, "no_space", 1, Retry::no, "no space left for the copy",
             "free some space there, or choose a directory on another file system"},
    ErrcInfo{Errc::permission_denied, "permission_denied", 1, Retry::no,
             "the system does not let this user read the source or write the destination",
             "run as a user who may read the database, and write to the directory of the copy"},
    ErrcInfo{Errc::source_missing, "source_missing", 1, Retry::no, "the source does not exist",
             "check the path"},
    ErrcInfo{Errc::destination_unusable, "destination_unusable", 1, Retry::no,
             "the destination directory is missing or cannot take the copy",
             "create the directory, or choose another destination"},
    ErrcInfo{Errc::sqlite_error, "sqlite_error", 1, Retry::no, "SQLite reported an error",
             "see the SQLite result code in the message"},
    ErrcInfo{Errc::usage, "usage", 2, Retry::no,
             "the command line or a combination of options is wrong", "see 'sqlbk --help'"},
    ErrcInfo{
        Errc::damaged, "damaged", 3, Retry::no, "the database is damaged",
        "restore an older copy, or salvage what can be read with the sqlite3 shell's .recover"},
    ErrcInfo{Errc::wal_reset_bug, "wal_reset_bug", 3, Retry::no,
             "SQLite's WAL-reset bug (3.7.0 to 3.51.2) has struck the source: its programs do not "
             "see commits that are in the WAL, and have perhaps written on without them",
             "before the last program closes the database, copy the database and its -wal with cp: "
             "closing it drops commits that are in the WAL only. Then let its programs use SQLite "
             "3.51.3 or later"},
    ErrcInfo{Errc::source_changed, "source_changed", 4, Retry::same_strategy,
             "the source changed while it was copied and no attempt could be proven consistent",
             "try again, raise --copy-retry or --timeout, or use --strategy auto"},
    ErrcInfo{Errc::source_busy, "source_busy", 4, Retry::same_strategy,
             "the owner of the source holds it locked",
             "try again when the owner is idle or closed, or use --strategy auto"},
    ErrcInfo{
        Errc::assumption_refused, "assumption_refused", 4, Retry::same_strategy,
        "the copy would rest on something that cannot be seen from here, which --strict refuses",
        "vouch for it with --assume, or accept the verdict 'assumed' by leaving out --strict"},
    ErrcInfo{Errc::lock_budget_exceeded, "lock_budget_exceeded", 4, Retry::other_strategy,
             "an owner waited for our lock longer than --lock-budget allows",
             "raise --lock-budget, or try again when the owner is less busy"},
    ErrcInfo{Errc::deadline_exceeded, "deadline_exceeded", 4, Retry::other_strategy,
             "no consistent copy within the deadline", "raise --timeout"},
    ErrcInfo{Errc::unsuitable, "unsuitable", 4, Retry::other_strategy,
             "the strategy asked for cannot copy this source without harming it",
             "use --strategy auto"},
    ErrcInfo{
        Errc::frames_without_checksum, "frames_without_checksum", 4, Retry::same_strategy,
        "the write-ahead log has frames without checksums, as SQLite up to 3.49.2 can leave "
        "them, and nothing tells whether they are committed",
        "let the owner checkpoint (PRAGMA wal_checkpoint(TRUNCATE)); SQLite 3.50 and later does "
        "not commit such frames"},
    ErrcInfo{Errc::destination_exists, "destination_exists", 5, Retry::no,
             "the destination, or a sidecar of that name, exists already",
             "choose another name, or replace it with --force"},
    ErrcInfo{Errc::destination_in_use, "destination_in_use", 5, Retry::no,
             "a program has the destination open, so that it cannot be replaced safely",
             "close the program that uses the destination"},
    ErrcInfo{Errc::not_a_database, "not_a_database", 6, Retry::no,
             "the source is not a SQLite database",
             "check the path; an encrypted database does not look like one either: --opaque copies "
             "its bytes"},
    ErrcInfo{Errc::unsupported_database, "unsupported_database", 6, Retry::no,
             "the source is a SQLite database of a kind that sqlbk cannot copy safely",
             "copy it with the program that owns it"},
    ErrcInfo{Errc::unsupported_file_system, "unsupported_file_system", 6, Retry::no,
             "the source lies on a file system where nothing can be proven about a live file",
             "run sqlbk on the machine that holds the files"},
    ErrcInfo{Errc::interrupted, "interrupted", 130, Retry::no,
             "stopped by a signal or by the caller", "run the same command again"},
};

Errc code_of_errno(int os_errno) noexcept {
  switch (os_errno) {
    case ENOSPC:
    case EDQUOT:
      return Errc::no_space;
    case EACCES:
    case EPERM:
    case EROFS:
      return Errc::permission_denied;
    default:
      return Errc::io_error;
  }
}

}  // namespace

std::span<const ErrcInfo> errc_table() noexcept {
  return kTable;
}

const ErrcInfo& errc_info(Errc code) noexcept {
  return kTable[static_cast<std::size_t>(code)];
}

Error::Error(Errc code, const std::string& message) : std::runtime_error(message), code_(code) {}

std::string_view Error::hint() const noexcept {
  return hint_.empty() ? errc_info(code_).hint : std::string_view(hint_);
}

Error& Error::with_code(Errc code) noexcept {
  code_ = code;
  return *this;
}

Error& Error::with_path(std::string path) {
  path_ = std::move(path);
  return *this;
}

Error& Error::with_errno(int os_errno) noexcept {
  os_errno_ = os_errno;
  return *this;
}

Error& Error::with_sqlite_code(int extended_code) noexcept {
  sqlite_code_ = extended_code;
  return *this;
}

Error& Error::with_hint(std::string hint) {
  hint_ = std::move(hint);
  return *this;
}

Error& Error::with_source(std::string source) {
  source_ = std::move(source);
  return *this;
}

Error& Error::with_destination(std::string destination) {
  destination_ = std::move(destination);
  return *this;
}

Error& Error::add_context(const std::string& context) {
  std::runtime_error::operator=(std::runtime_error(context + ": " + what()));
  return *this;
}

std::string quoted(std::string_view path) {
  return "'" + printable(path) + "'";
}

Error system_error(std::string_view action, const std::string& path, int os_errno) {
  Error error(code_of_errno(os_errno), "unable to " + std::string(action) + " " + quoted(path) +
                                           ": " + std::generic_category().message(os_errno));
  error.with_path(path).with_errno(os_errno);
  hint_at_errno(error);
  return error;
}

}  // namespace sqlbk
