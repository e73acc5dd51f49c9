// SQLite's own checkers on the state, on one connection or on several.
//
// On several: one runs quick_check, whose first part is that of integrity_check, on the whole file
// (freelist, unused pages, pointer map, pages used twice, every tree: OP_IntegrityCk with all
// roots); the others run integrity_check on one table after another, which does with each what
// integrity_check does with all of them (sqlite3Pragma() in pragma.c loops over the tables and
// leaves out those that were not named). Together they do everything that it does, and so the
// result is never weaker.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "check_result.hpp"
#include "pragma_check.hpp"
#include "verify/checks.hpp"
#include "verify/table_hash.hpp"

namespace sqlbk::checkpoint {
namespace {

// All tables, the largest first as far as that can be known without reading them. From the schema
// as SQLite has parsed it, which is what integrity_check loops over.
std::vector<std::string> all_tables(sqlite::Connection& connection) {
  struct Table {
    std::string name;
    std::int64_t last_rowid = 0;
  };
  std::vector<Table> tables;
  {
    sqlite::Statement rows(
        connection, "SELECT name FROM pragma_table_list WHERE schema='main' AND type<>'view'");
    while (rows.step()) tables.push_back({rows.text(0), 0});
  }
  for (Table& table : tables) {
    try {
      table.last_rowid = connection.integer("SELECT max(rowid) FROM " + sql_name(table.name));
    } catch (const Error&) {
      // WITHOUT ROWID, or damaged: then in no particular order.
    }
  }
  std::ranges::stable_sort(tables, std::ranges::greater(), &Table::last_rowid);
  std::vector<std::string> names;
  for (const Table& table : tables) names.push_back(table.name);
  return names;
}

std::string partial_check_of(const std::string& table) {
  std::string argument;
  for (const char c : table) argument += c == '\'' ? std::string("''") : std::string(1, c);
  return "integrity_check('" + argument + "')";
}

// What several threads work off, and what they find.
class ParallelCheck {
 public:
  ParallelCheck(const ReaderVfs& vfs, const RunContext& context, std::vector<std::string> pragmas)
      : vfs_(vfs), context_(context), pragmas_(std::move(pragmas)) {}

  void run(unsigned jobs, StepReport& found) {
    std::vector<std::thread> threads;
    const auto count = std::min<std::size_t>(jobs, pragmas_.size());
    try {
      for (std::size_t i = 1; i < count; ++i) threads.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      // Fewer threads than wanted do the same work.
    }
    work();
    for (std::thread& thread : threads) thread.join();
    report(found);
  }

 private:
  void work() noexcept {
    try {
      sqlite::Connection connection = vfs_.connect(context_);
      for (std::size_t i = next_++; i < pragmas_.size(); i = next_++)
        check(connection, pragmas_[i]);
    } catch (const Error& error) {
      keep(error);
    } catch (const std::exception& error) {
      keep(Error(Errc::sqlite_error, error.what()));
    }
  }

  void check(sqlite::Connection& connection, const std::string& pragma) {
    StepReport part;
    std::optional<Error> failure;
    try {
      check_structure(connection, pragma, part);
    } catch (const Error& error) {
      failure = error;
    }
    const std::lock_guard lock(mutex_);
    findings_.insert(findings_.end(), part.findings.begin(), part.findings.end());
    if (failure) errors_.push_back(*failure);
  }

  void keep(const Error& error) {
    const std::lock_guard lock(mutex_);
    errors_.push_back(error);
  }

  // A table's part repeats what the whole file's part has found of its trees.
  void report(StepReport& found) {
    for (const std::string& finding : findings_) {
      if (std::ranges::find(found.findings, finding) == found.findings.end()) {
        found.findings.push_back(finding);
      }
    }
    // Damage before what could not be checked.
    std::stable_partition(errors_.begin(), errors_.end(), means_damage);
    for (const Error& error : errors_) {
      if (!means_damage(error)) throw error;
      found.findings.emplace_back(error.what());
    }
  }

  const ReaderVfs& vfs_;
  const RunContext& context_;
  const std::vector<std::string> pragmas_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  std::vector<std::string> findings_;
  std::vector<Error> errors_;
};

}  // namespace

void check_state_structure(const ReaderVfs& vfs, const VerifyOptions& options, RunContext& context,
                           StepReport& found) {
  sqlite::Connection connection = vfs.connect(context);
  if (options.quick || options.jobs < 2) {
    check_structure(connection, options.quick ? "quick_check" : "integrity_check", found);
    return;
  }
  std::vector<std::string> pragmas{"quick_check"};
  for (const std::string& table : all_tables(connection)) {
    pragmas.push_back(partial_check_of(table));
  }
  connection.close();
  ParallelCheck(vfs, context, std::move(pragmas)).run(options.jobs, found);
}

}  // namespace sqlbk::checkpoint
