// A read-only SQLite connection to a live source that does it no harm. Private to libcopy.
//
// It lives on the host's side of the descriptor table (host_thread.hpp), where SQLite shares its
// account of locks with connections that the host program may have to the same file.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "sqlbk/core/copy_strategy.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/source.hpp"
#include "sqlbk/core/sqlite.hpp"

namespace sqlbk::copy {

class SourceConnection {
 public:
  // Opens `path` and never checkpoints it. REQUIRES: the LiveFiles of the source outlive it.
  SourceConnection(const std::string& path, sqlite::OpenMode mode, RunContext& context);
  SourceConnection(const SourceConnection&) = delete;
  SourceConnection& operator=(const SourceConnection&) = delete;
  ~SourceConnection();

  // A read transaction that really holds SQLite's read locks: BEGIN alone locks nothing. Waits
  // for a busy owner at most `patience`, then throws source_busy; what SQLite cannot open without
  // writing (SQLITE_CANTOPEN, SQLITE_READONLY) is unsuitable.
  void begin_read(std::chrono::milliseconds patience);
  // "wal", "delete", …; within the read transaction.
  std::string journal_mode();

  // Ends the transaction and closes; throws if SQLite cannot.
  void close();

  // Runs `work` on the connection, on the host's side.
  void use(const std::function<void(sqlite::Connection&)>& work);

 private:
  RunContext& context_;
  std::string path_;
  std::optional<sqlite::Connection> connection_;
};

// Why a SQLite connection to this source would harm it (leave sidecars, roll back, checkpoint) or
// show a state that nobody vouches for; suitable if not.
Suitability may_connect(const SourceFacts& facts);

}  // namespace sqlbk::copy
