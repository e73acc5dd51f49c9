// An owner whose locks the kernel does not know (the VFS unix-none), in a process of its own that
// does one thing at a time, when told.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <sqlite3.h>

#include "support/child.hpp"

namespace sqlbk::test {

class UnseenOwner {
 public:
  // run(i) executes the i-th of these.
  UnseenOwner(const std::string& path, const std::vector<std::string>& statements)
      : child_(tasks(path, statements)) {}

  void run(std::size_t statement) { child_.run(statement); }

 private:
  static void execute(sqlite3*& handle, const std::string& path, const std::string& sql) {
    if (handle == nullptr &&
        sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE, "unix-none") != SQLITE_OK) {
      throw std::runtime_error("cannot open " + path);
    }
    if (sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
      throw std::runtime_error(sql + ": " + sqlite3_errmsg(handle));
    }
  }

  static std::vector<std::function<void()>> tasks(const std::string& path,
                                                  const std::vector<std::string>& statements) {
    const auto handle = std::make_shared<sqlite3*>(nullptr);
    std::vector<std::function<void()>> tasks;
    tasks.reserve(statements.size());
    for (const std::string& sql : statements) {
      tasks.emplace_back([=] { execute(*handle, path, sql); });
    }
    return tasks;
  }

  Child child_;
};

}  // namespace sqlbk::test
