// The one exception type of sqlbk and its table of codes. The table is also the list of exit codes
// (docs/exit-codes.md is compared with it by a test). Thread-safety: values and pure functions.
#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sqlbk {

enum class Errc {
  io_error,
  no_space,
  permission_denied,
  source_missing,
  destination_unusable,
  sqlite_error,
  usage,
  damaged,
  wal_reset_bug,
  source_changed,
  source_busy,
  assumption_refused,
  lock_budget_exceeded,
  deadline_exceeded,
  unsuitable,
  frames_without_checksum,
  destination_exists,
  destination_in_use,
  not_a_database,
  unsupported_database,
  unsupported_file_system,
  interrupted,
};

// What may still succeed after an error of an attempt to copy.
enum class Retry {
  no,              // nothing
  other_strategy,  // another strategy, or this one once the source has been probed anew
  same_strategy,   // another attempt by the same strategy as well
};

struct ErrcInfo {
  Errc code;
  std::string_view name;  // as in --json
  int exit_code;          // of the command-line tool
  Retry retry;
  std::string_view meaning;  // one line for the documentation
  std::string_view hint;     // what the user can do, where the error itself has nothing better
};

// Every code once, in the order of the enum.
std::span<const ErrcInfo> errc_table() noexcept;
const ErrcInfo& errc_info(Errc code) noexcept;

// What went wrong, with which file, what the system or SQLite said, and what the user can do.
// The message starts lowercase, names path() if there is one, and has no full stop. On its way up
// an error is caught by reference, given what its catcher knows, and thrown on: nothing it holds
// gets lost, and its text is never taken apart.
class Error : public std::runtime_error {
 public:
  Error(Errc code, const std::string& message);

  Errc code() const noexcept { return code_; }
  int os_errno() const noexcept { return os_errno_; }                 // 0: none
  int sqlite_extended_code() const noexcept { return sqlite_code_; }  // 0: none
  const std::string& path() const noexcept { return path_; }          // "": none
  // The database and the copy that the failed operation was about, as the user named them. "": none
  const std::string& source() const noexcept { return source_; }
  const std::string& destination() const noexcept { return destination_; }
  // The hint of this error, or that of its code.
  std::string_view hint() const noexcept;
  bool has_own_hint() const noexcept { return !hint_.empty(); }

  Error& with_code(Errc code) noexcept;
  Error& with_path(std::string path);
  Error& with_errno(int os_errno) noexcept;
  Error& with_sqlite_code(int extended_code) noexcept;
  Error& with_hint(std::string hint);
  Error& with_source(std::string source);
  Error& with_destination(std::string destination);
  // The message becomes "CONTEXT: MESSAGE"; all other fields stay.
  Error& add_context(const std::string& context);

 private:
  Errc code_;
  int os_errno_ = 0;
  int sqlite_code_ = 0;
  std::string path_;
  std::string source_;
  std::string destination_;
  std::string hint_;
};

// "unable to ACTION 'PATH': STRERROR", with the code that fits the errno (ENOSPC, EDQUOT: no_space;
// EACCES, EPERM, EROFS: permission_denied; else io_error).
Error system_error(std::string_view action, const std::string& path, int os_errno);

// 'path' in single quotes, printable (printable.hpp), for messages.
std::string quoted(std::string_view path);

}  // namespace sqlbk
