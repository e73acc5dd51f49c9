// SQLite connections and statements by RAII; sqlite3.h stays out of public headers.
// Thread-safety: a Connection and its statements belong to one thread at a time.
// On failure everything throws Error: source_busy for SQLITE_BUSY and SQLITE_LOCKED, damaged for
// SQLITE_CORRUPT, not_a_database for SQLITE_NOTADB, no_space for SQLITE_FULL, interrupted for
// SQLITE_INTERRUPT, else sqlite_error; sqlite_extended_code() has the exact code.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace sqlbk::sqlite {

enum class OpenMode {
  read_only,   // mode=ro; SQLite may still create -shm and -wal beside a WAL database
  immutable,   // immutable=1: no locks, no sidecars, and the WAL is ignored
  read_write,  // the file must exist
  create,
};

class Connection {
 public:
  // `path` is bytes, never taken for a URI. `vfs`: the name of a registered one; "": SQLite's own,
  // but the kernel follows the links of an absolute path.
  Connection(const std::string& path, OpenMode mode, const std::string& vfs = "");
  Connection(Connection&&) noexcept = default;
  Connection& operator=(Connection&&) noexcept = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() = default;

  sqlite3* handle() const noexcept { return handle_.get(); }
  const std::string& path() const noexcept { return path_; }

  // Runs all statements of `sql` and throws away their rows.
  void execute(const std::string& sql);
  // The first column of the first row.
  std::string text(const std::string& sql);
  std::int64_t integer(const std::string& sql);

  // Called while a lock is busy, from sqlite3_step(); false gives up with source_busy.
  void set_busy_handler(std::function<bool()> keep_waiting);
  // Called every `instructions` virtual machine steps; true stops the statement with interrupted.
  void set_progress_handler(int instructions, std::function<bool()> stop);
  // SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE: the last close does not checkpoint.
  void disable_checkpoint_on_close();

  // Closes and throws if SQLite refuses; the destructor closes and ignores.
  void close();

 private:
  struct Close {
    void operator()(sqlite3* handle) const noexcept;
  };
  struct Handlers {
    std::function<bool()> keep_waiting;
    std::function<bool()> stop;
  };
  std::string path_;
  std::unique_ptr<Handlers> handlers_;  // outlives the handle, which calls into it
  std::unique_ptr<sqlite3, Close> handle_;
};

class Statement {
 public:
  Statement(Connection& connection, const std::string& sql);

  sqlite3_stmt* handle() const noexcept { return statement_.get(); }

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view text);

  bool step();  // true: a row is there
  void reset();

  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;
  bool is_null(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept;
  };
  Connection* connection_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// For whole programs, before they use SQLite: without its memory statistics, because every
// allocation of every thread would take one mutex for them. Does nothing where SQLite is in use
// already.
void disable_memory_statistics() noexcept;

// Version of the SQLite library at run time, as "3.40.1".
std::string library_version();

// Throws the Error for `result` of an operation on `connection`, if it is not SQLITE_OK, ROW, DONE.
void check(int result, sqlite3* connection, const std::string& path, std::string_view action);

}  // namespace sqlbk::sqlite
