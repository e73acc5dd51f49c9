#include "source_connection.hpp"

#include <sqlite3.h>

#include "source_changed.hpp"
#include "sqlbk/core/copy_strategy.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::copy {

SourceConnection::SourceConnection(LiveFiles& files, std::chrono::milliseconds lock_budget,
                                   const SourceAllowance& allowance, RunContext& context)
    : context_(context), path_(files.main_path()), on_host_(context.host_call()) {
  files.begin_attempt();
  watch_.emplace(files, lock_budget, context, [this] { on_host_([this] { roll_back(); }); });
  watch_->take([&] { guard_.emplace(files); });
  facts_ = probe_source(files);
  require_copyable(facts_, allowance);
  require_suitable(may_connect(facts_), files.given_path());
  if (facts_.uses_wal()) watch_->take_on_shm([] {});  // what the connection takes there
  open(sqlite::OpenMode::read_only);
}

SourceConnection::SourceConnection(const std::string& path, sqlite::OpenMode mode,
                                   RunContext& context)
    : context_(context), path_(path), on_host_(context.host_call()) {
  open(mode);
}

void SourceConnection::open(sqlite::OpenMode mode) {
  context_.on_host([&] {
    const std::lock_guard lock(mutex_);
    if (watch_) watch_->check();
    connection_.emplace(path_, mode);
    try {
      connection_->disable_checkpoint_on_close();
      begin_read();
    } catch (...) {
      connection_.reset();  // on this side; no destructor runs for what was not built
      throw;
    }
  });
}

SourceConnection::~SourceConnection() {
  try {
    context_.on_host([&] {
      const std::lock_guard lock(mutex_);
      connection_.reset();
    });
  } catch (...) {
    // Closing in the destructor only discards; close() is the way that reports.
  }
}

void SourceConnection::begin_read() {
  try {
    connection_->execute("BEGIN");
    static_cast<void>(connection_->integer("SELECT count(*) FROM sqlite_schema"));
  } catch (Error& error) {
    const int code = error.sqlite_extended_code() & 0xff;
    if (code != SQLITE_CANTOPEN && code != SQLITE_READONLY) throw;
    // hasHotJournal() asks for RESERVED first and looks at the journal a moment later: a writer who
    // came in between looks like one who is gone. A journal that is really hot was seen before.
    const bool is_race = error.sqlite_extended_code() == SQLITE_READONLY_ROLLBACK;
    error.with_code(is_race ? Errc::source_changed : Errc::unsuitable);
    throw;
  }
}

void SourceConnection::require_same_shm(const LiveFiles& files) const {
  const std::optional<FileStat> now = files.stat_by_path(SourceFile::shm);
  if (!now || !facts_.shm || !now->same_file(*facts_.shm)) {
    throw_changed(files, "its -shm was replaced");
  }
}

std::string SourceConnection::journal_mode() {
  std::string mode;
  use([&](sqlite::Connection& connection) { mode = connection.text("PRAGMA journal_mode"); });
  return mode;
}

void SourceConnection::finish() {
  watch_->finish();
}

// On the host's side, which knows what else of the program rests on the file: an unlock by fcntl(2)
// would drop the locks of the host's own connections.
void SourceConnection::roll_back() {
  const std::lock_guard lock(mutex_);
  if (!connection_ || sqlite3_get_autocommit(connection_->handle()) != 0) return;
  static_cast<void>(sqlite3_exec(connection_->handle(), "ROLLBACK", nullptr, nullptr, nullptr));
}

void SourceConnection::close() {
  context_.on_host([&] {
    roll_back();
    const std::lock_guard lock(mutex_);
    connection_->close();
  });
}

void SourceConnection::use(const std::function<void(sqlite::Connection&)>& work) {
  context_.on_host([&] {
    const std::lock_guard lock(mutex_);
    if (watch_) watch_->check();
    work(*connection_);
  });
}

void SourceConnection::give_back(const std::function<void()>& work) {
  context_.on_host([&] {
    const std::lock_guard lock(mutex_);
    work();
  });
}

namespace {

const char* why_not_attached(const LockState& locks) {
  if (locks.exclusive) return "a process holds an EXCLUSIVE lock on it, which lets no reader in";
  if (locks.any()) return "a process holds a lock on it, but none uses its wal-index";
  return "no program has it open, and SQLite would leave -wal and -shm files beside it";
}

}  // namespace

Suitability may_connect(const SourceFacts& facts) {
  // On such a file system auto has no other way.
  const std::string hint = is_this_kernels(facts.file_system.kind) ? "" : kHintOpenMeanwhile;
  const auto no = [&hint](const char* reason) { return Suitability::no(reason, "open", hint); };
  if (!facts.header && !facts.is_empty()) {
    return no("SQLite cannot read it: it is encrypted, or no database");
  }
  if (facts.uses_wal()) {
    if (!facts.locks.dms) return no(why_not_attached(facts.locks));
    if (!facts.wal) return no("it has an -shm in use but no -wal, which SQLite would make anew");
    return {};
  }
  if (facts.has_hot_journal()) {
    return no("it has a hot journal, which SQLite would roll back in the source");
  }
  return {};
}

}  // namespace sqlbk::copy
