#include "sqlbk/core/sqlite.hpp"

#include <system_error>
#include <utility>

#include <sqlite3.h>

#include "sqlbk/core/errno_hint.hpp"
#include "sqlbk/core/error.hpp"
#include "verbatim_vfs.hpp"

namespace sqlbk::sqlite {
namespace {

Errc code_of_sqlite(int extended_code) noexcept {
  switch (extended_code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Errc::source_busy;
    case SQLITE_CORRUPT:
      return Errc::damaged;
    case SQLITE_NOTADB:
      return Errc::not_a_database;
    case SQLITE_FULL:
      return Errc::no_space;
    case SQLITE_INTERRUPT:
      return Errc::interrupted;
    case SQLITE_PERM:
      return Errc::permission_denied;
    default:
      return Errc::sqlite_error;
  }
}

// sqlite3SystemError() in util.c keeps it for these codes alone. 0: SQLite does not tell.
int errno_behind(int extended_code, sqlite3* connection) noexcept {
  const int code = extended_code & 0xff;
  if (connection == nullptr || (code != SQLITE_IOERR && code != SQLITE_CANTOPEN)) return 0;
  return sqlite3_system_errno(connection);
}

int open_flags(OpenMode mode) noexcept {
  switch (mode) {
    case OpenMode::read_only:
    case OpenMode::immutable:
      return SQLITE_OPEN_READONLY;
    case OpenMode::read_write:
      return SQLITE_OPEN_READWRITE;
    case OpenMode::create:
      return SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  }
  return SQLITE_OPEN_READONLY;
}

// A URI that names exactly `path`: every byte that could mean something in a URI is escaped.
std::string file_uri(const std::string& path, std::string_view query) {
  constexpr std::string_view kHex = "0123456789abcdef";
  // "./": a relative path may be ":memory:" or empty, which mean something even in a URI.
  std::string uri = path.starts_with('/') ? "file://" : "file:./";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= '0' && byte <= '9') || byte == '/' || byte == '.' || byte == '-' ||
                       byte == '_';
    if (plain) {
      uri += c;
    } else {
      uri += '%';
      uri += kHex[byte >> 4U];
      uri += kHex[byte & 15U];
    }
  }
  return uri.append(query);
}

}  // namespace

void check(int result, sqlite3* connection, const std::string& path, std::string_view action) {
  if (result == SQLITE_OK || result == SQLITE_ROW || result == SQLITE_DONE) return;
  const int extended = connection != nullptr ? sqlite3_extended_errcode(connection) : result;
  const char* text = connection != nullptr ? sqlite3_errmsg(connection) : sqlite3_errstr(result);
  // The connection may have been used since; then only the plain code is right.
  const int code = (extended & 0xff) == (result & 0xff) ? extended : result;
  const int os_errno = errno_behind(code, connection);
  const std::string why = os_errno == 0 ? "" : ", " + std::generic_category().message(os_errno);
  Error error(code_of_sqlite(code), "unable to " + std::string(action) + " " + quoted(path) + ": " +
                                        text + why + " (SQLite code " + std::to_string(code) + ")");
  error.with_path(path).with_sqlite_code(code).with_errno(os_errno);
  hint_at_errno(error);
  throw Error(error);
}

void Connection::Close::operator()(sqlite3* handle) const noexcept {
  // A zombie would live on with its locks only if a statement leaked; Statement prevents that.
  static_cast<void>(sqlite3_close_v2(handle));
}

Connection::Connection(const std::string& path, OpenMode mode, const std::string& vfs)
    : path_(path), handlers_(std::make_unique<Handlers>()) {
  sqlite3* raw = nullptr;
  // Always a URI, so that a path that starts with "file:" is not taken for one.
  const std::string uri = file_uri(path, mode == OpenMode::immutable ? "?immutable=1" : "");
  const std::string by_vfs = vfs.empty() ? verbatim_vfs() : vfs;
  const int result =
      // A cache of its own: under sqlite3_enable_shared_cache() it would see what a connection of
      // the host has not committed.
      sqlite3_open_v2(uri.c_str(), &raw,
                      open_flags(mode) | SQLITE_OPEN_URI | SQLITE_OPEN_PRIVATECACHE,
                      by_vfs.c_str());
  handle_.reset(raw);
  check(result, raw, path_, "open");
  static_cast<void>(sqlite3_extended_result_codes(raw, 1));
}

void Connection::execute(const std::string& sql) {
  check(sqlite3_exec(handle(), sql.c_str(), nullptr, nullptr, nullptr), handle(), path_,
        "run SQL on");
}

std::string Connection::text(const std::string& sql) {
  Statement statement(*this, sql);
  return statement.step() ? statement.text(0) : std::string();
}

std::int64_t Connection::integer(const std::string& sql) {
  Statement statement(*this, sql);
  return statement.step() ? statement.integer(0) : 0;
}

void Connection::set_busy_handler(std::function<bool()> keep_waiting) {
  handlers_->keep_waiting = std::move(keep_waiting);
  const auto call = [](void* self, int /*calls*/) -> int {
    return static_cast<Handlers*>(self)->keep_waiting() ? 1 : 0;
  };
  check(sqlite3_busy_handler(handle(), call, handlers_.get()), handle(), path_, "configure");
}

void Connection::set_progress_handler(int instructions, std::function<bool()> stop) {
  handlers_->stop = std::move(stop);
  const auto call = [](void* self) -> int { return static_cast<Handlers*>(self)->stop() ? 1 : 0; };
  sqlite3_progress_handler(handle(), instructions, call, handlers_.get());
}

void Connection::disable_checkpoint_on_close() {
  check(sqlite3_db_config(handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr), handle(), path_,
        "configure");
}

void Connection::close() {
  if (!handle_) return;
  check(sqlite3_close(handle_.get()), handle_.get(), path_, "close");
  static_cast<void>(handle_.release());
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const noexcept {
  static_cast<void>(sqlite3_finalize(statement));
}

Statement::Statement(Connection& connection, const std::string& sql) : connection_(&connection) {
  sqlite3_stmt* raw = nullptr;
  const int result = sqlite3_prepare_v2(connection.handle(), sql.c_str(),
                                        static_cast<int>(sql.size()) + 1, &raw, nullptr);
  statement_.reset(raw);
  check(result, connection.handle(), connection.path(), "read");
}

Statement& Statement::bind(int index, std::int64_t value) {
  check(sqlite3_bind_int64(statement_.get(), index, value), connection_->handle(),
        connection_->path(), "bind a value for");
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  check(sqlite3_bind_text64(statement_.get(), index, text.data(), text.size(), SQLITE_TRANSIENT,
                            SQLITE_UTF8),
        connection_->handle(), connection_->path(), "bind a value for");
  return *this;
}

bool Statement::step() {
  const int result = sqlite3_step(statement_.get());
  check(result, connection_->handle(), connection_->path(), "read");
  return result == SQLITE_ROW;
}

void Statement::reset() {
  check(sqlite3_reset(statement_.get()), connection_->handle(), connection_->path(), "read");
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

double Statement::real(int column) const {
  return sqlite3_column_double(statement_.get(), column);
}

std::string Statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return text == nullptr
             ? std::string()
             : std::string(
                   text, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column)));
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

void disable_memory_statistics() noexcept {
  static_cast<void>(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0));
}

std::string library_version() {
  return sqlite3_libversion();
}

}  // namespace sqlbk::sqlite
