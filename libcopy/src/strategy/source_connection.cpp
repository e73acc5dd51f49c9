#include "source_connection.hpp"

#include <thread>

#include <sqlite3.h>

#include "sqlbk/core/copy_strategy.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::copy {

using namespace std::chrono_literals;

SourceConnection::SourceConnection(const std::string& path, sqlite::OpenMode mode,
                                   RunContext& context)
    : context_(context), path_(path) {
  context_.on_host([&] {
    connection_.emplace(path, mode);
    connection_->disable_checkpoint_on_close();
  });
}

SourceConnection::~SourceConnection() {
  try {
    context_.on_host([&] { connection_.reset(); });
  } catch (...) {
    // Closing in the destructor only discards; close() is the way that reports.
  }
}

void SourceConnection::begin_read(std::chrono::milliseconds patience) {
  const auto give_up = std::chrono::steady_clock::now() + patience;
  use([&](sqlite::Connection& connection) {
    connection.set_busy_handler([this, give_up] {
      if (context_.should_stop() || std::chrono::steady_clock::now() >= give_up) return false;
      // Short: under a saturating writer the lock is free for less than SQLite's own steps.
      std::this_thread::sleep_for(500us);
      return true;
    });
    try {
      connection.execute("BEGIN");
      static_cast<void>(connection.integer("SELECT count(*) FROM sqlite_schema"));
    } catch (Error& error) {
      const int code = error.sqlite_extended_code() & 0xff;
      if (code != SQLITE_CANTOPEN && code != SQLITE_READONLY) throw;
      throw Error(Errc::unsuitable, error.what())
          .with_path(path_)
          .with_sqlite_code(error.sqlite_extended_code());
    }
  });
  context_.tick();
}

std::string SourceConnection::journal_mode() {
  std::string mode;
  use([&](sqlite::Connection& connection) { mode = connection.text("PRAGMA journal_mode"); });
  return mode;
}

void SourceConnection::close() {
  use([](sqlite::Connection& connection) {
    connection.execute("ROLLBACK");
    connection.close();
  });
}

void SourceConnection::use(const std::function<void(sqlite::Connection&)>& work) {
  context_.on_host([&] { work(*connection_); });
}

Suitability may_connect(const SourceFacts& facts) {
  if (facts.uses_wal()) {
    if (!facts.locks.dms) {
      return Suitability::no(
          facts.locks.any()
              ? "its owner keeps the wal-index to itself (EXCLUSIVE locking mode)"
              : "nobody has it open, and SQLite would leave -wal and -shm files beside it");
    }
    return {};
  }
  if (facts.has_hot_journal()) {
    return Suitability::no("it has a hot journal, which SQLite would roll back in the source");
  }
  return {};
}

}  // namespace sqlbk::copy
