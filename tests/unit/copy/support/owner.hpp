// A child that owns a database of the workload and does one thing at a time, when told.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kit/checker.hpp"
#include "kit/workload.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "support/child.hpp"

namespace sqlbk::test {

// What an owner has in its own process.
struct OwnerState {
  std::optional<sqlite::Connection> connection;
  std::optional<kit::Workload> workload;

  void open(const std::string& path, const std::string& pragmas) {
    connection.emplace(path, sqlite::OpenMode::read_write);
    connection->execute("PRAGMA synchronous=OFF; PRAGMA busy_timeout=120000");
    connection->execute(pragmas);
  }
  // Commits `count` transactions of writer 1.
  void commit(int count) {
    if (!workload) {
      kit::TransactionOptions options;
      options.rows = 8;
      workload.emplace(*connection, 1, options, 1);
    }
    for (int i = 0; i < count; ++i) static_cast<void>(workload->run());
  }
  void close() {
    workload.reset();
    connection->close();
    connection.reset();
  }
};

using OwnerTask = std::function<void(OwnerState&)>;

class Owner {
 public:
  explicit Owner(const std::vector<OwnerTask>& tasks) : child_(bind(tasks)) {}
  Child* operator->() noexcept { return &child_; }

 private:
  static std::vector<std::function<void()>> bind(const std::vector<OwnerTask>& tasks) {
    const auto state = std::make_shared<OwnerState>();
    std::vector<std::function<void()>> bound;
    bound.reserve(tasks.size());
    for (const OwnerTask& task : tasks) bound.emplace_back([=] { task(*state); });
    return bound;
  }
  Child child_;
};

// The floor of a copy that begins when writer 1 has committed `sequence` transactions.
inline std::vector<kit::Committed> floor_of(std::uint64_t sequence) {
  return {{.writer = 1, .sequence = sequence}};
}

}  // namespace sqlbk::test
