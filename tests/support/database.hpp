// SQLite's C interface with exceptions, so that the tests of libcore do not lean on libcore's own
// wrapper. Failure: std::runtime_error.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include <sqlite3.h>

namespace sqlbk::test {

class Database {
 public:
  explicit Database(const std::string& path,
                    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) {
    if (sqlite3_open_v2(path.c_str(), &handle_, flags, nullptr) != SQLITE_OK) {
      sqlite3_close(handle_);
      throw std::runtime_error("cannot open " + path);
    }
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() { sqlite3_close(handle_); }

  sqlite3* handle() const noexcept { return handle_; }

  // SQLite's result code.
  int try_run(const std::string& sql) {
    return sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  }
  void run(const std::string& sql) {
    if (try_run(sql) != SQLITE_OK) throw std::runtime_error(sql + ": " + sqlite3_errmsg(handle_));
  }
  std::string text(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    std::string value;
    if (sqlite3_prepare_v2(handle_, sql.c_str(), -1, &statement, nullptr) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
      const auto* found = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
      if (found != nullptr) value = found;
    }
    if (sqlite3_finalize(statement) != SQLITE_OK) {
      throw std::runtime_error(sql + ": " + sqlite3_errmsg(handle_));
    }
    return value;
  }
  std::int64_t integer(const std::string& sql) { return std::stoll(text(sql)); }

  // The WAL stays when this connection is closed, as after a crash.
  void leave_wal() {
    if (sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr) != SQLITE_OK) {
      throw std::runtime_error("SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE");
    }
  }

 private:
  sqlite3* handle_ = nullptr;
};

}  // namespace sqlbk::test
