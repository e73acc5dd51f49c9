// SQLite's own checkers on the state, on one connection or on several.
//
// On several: integrity_check of one table after another does with each what integrity_check does
// with all of them (sqlite3Pragma() in pragma.c loops over the tables and leaves out those that
// were not named), except for what concerns the whole file (the parts under !bPartial in
// sqlite3BtreeIntegrityCheck() in btree.c). That is what PageOwners does. Together they find
// everything that integrity_check finds; a test damages a database in every way to see that.
//
// PageOwners also looks where SQLite does not: the root 0 of a view or a virtual table that happens
// to stand first in the list of roots makes it take a check of the whole file for a partial one.
#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <system_error>
#include <thread>
#include <utility>

#include "check_result.hpp"
#include "pragma_check.hpp"
#include "sqlbk/format/db_header.hpp"
#include "verify/checks.hpp"
#include "verify/page_owners.hpp"

namespace sqlbk::checkpoint {
namespace {

using Roots = std::vector<std::uint32_t>;

// Below this one connection is done before others would have started.
constexpr std::uint64_t kSmallBytes = std::uint64_t{32} << 20U;
constexpr unsigned kMostJobs = 256;
// What a page costs in integrity_check, by what it costs to walk over it. Only for the order.
constexpr std::uint64_t kCostOfCheck = 12;

// A table and its indexes.
struct TableTrees {
  unsigned trees = 0;
  std::uint64_t pages = 0;
};

struct Task {
  std::uint64_t cost = 0;
  std::function<void(sqlite::Connection&, StepReport&)> run;
};

// What several threads work off, and what they find.
class ParallelCheck {
 public:
  ParallelCheck(const ReaderVfs& vfs, const RunContext& context, std::vector<Task> tasks)
      : vfs_(vfs), context_(context), tasks_(std::move(tasks)) {
    // The largest first: the small ones fill up the time that is left at the end.
    std::ranges::stable_sort(tasks_, std::ranges::greater(), &Task::cost);
  }

  void run(unsigned jobs, StepReport& found) {
    std::vector<std::thread> threads;
    const auto count = std::min<std::size_t>(jobs, tasks_.size());
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
      for (std::size_t i = next_++; i < tasks_.size(); i = next_++) run_one(connection, tasks_[i]);
    } catch (const Error& error) {
      keep(error);
    } catch (const std::exception& error) {
      keep(Error(Errc::sqlite_error, error.what()));
    }
  }

  void run_one(sqlite::Connection& connection, const Task& task) {
    StepReport part;
    std::optional<Error> failure;
    try {
      task.run(connection, part);
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

  // A table's part may repeat what another one has found.
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
  std::vector<Task> tasks_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  std::vector<std::string> findings_;
  std::vector<Error> errors_;
};

class StructureCheck {
 public:
  StructureCheck(const CheckedState& state, const ReaderVfs& vfs, const VerifyOptions& options,
                 RunContext& context)
      : vfs_(vfs),
        context_(context),
        pragma_(options.quick ? "quick_check" : "integrity_check"),
        connection_(vfs.connect(context)),
        roots_(known_roots()) {
    std::array<std::byte, format::kDbHeaderSizeBytes> bytes{};
    const std::size_t got = state.read(bytes, 0);
    const format::ParsedDbHeader header = format::parse_db_header(format::Bytes(bytes).first(got));
    if (header && !roots_.empty()) owners_.emplace(state, *header, context);
  }

  void run(unsigned jobs, StepReport& found) {
    try {
      run_parts(jobs, found);
    } catch (const Error&) {
      // What was found outweighs what could not be checked.
      if (owners_) {
        const std::vector<std::string>& more = owners_->findings();
        found.findings.insert(found.findings.end(), more.begin(), more.end());
      }
      throw;
    }
    if (!owners_) return;
    owners_->finish(roots_);
    if (owners_->findings().empty()) return;
    // In SQLite's words, which can be looked up.
    if (jobs >= 2) check_structure(connection_, pragma_, found);
    if (found.findings.empty()) found.findings = owners_->findings();
  }

 private:
  // The roots of all trees that SQLite would look at, in its own words; empty where it does not
  // tell: then it is asked to check the whole file by itself.
  Roots known_roots() {
    Roots roots;
    try {
      sqlite::Statement program(connection_, "EXPLAIN PRAGMA " + pragma_);
      while (program.step()) {
        // Of the database 0, main: "[12,3,1]".
        if (program.text(1) != "IntegrityCk" || program.integer(6) != 0) continue;
        std::istringstream list(program.text(5));
        char separator = 0;
        for (std::uint32_t root = 0; list >> separator >> root;) {
          if (root != 0) roots.push_back(root);
        }
        return separator == ']' ? roots : Roots();
      }
    } catch (const Error&) {
      // The check itself will say what is wrong.
    }
    return {};
  }

  void run_parts(unsigned jobs, StepReport& found) {
    if (jobs >= 2) {
      ParallelCheck(vfs_, context_, tasks()).run(jobs, found);
      return;
    }
    check_structure(connection_, pragma_, found);
    if (!owners_) return;
    owners_->walk_freelist();
    for (const std::uint32_t root : roots_) owners_->walk(root);
  }

  std::vector<Task> tasks() {
    std::vector<Task> tasks;
    std::map<std::string, TableTrees> tables;
    if (owners_) {
      PageOwners& owners = *owners_;
      tasks.push_back({0, [&owners](sqlite::Connection&, StepReport&) { owners.walk_freelist(); }});
      for (const std::uint32_t root : roots_) {
        tasks.push_back({owners.estimated_pages(root),
                         [&owners, root](sqlite::Connection&, StepReport&) { owners.walk(root); }});
      }
      tables = trees_of_tables();
    } else {
      tasks.push_back(task_for(pragma_, {.trees = 2, .pages = UINT64_MAX / kCostOfCheck}));
    }
    // From the schema as SQLite has parsed it, which is what integrity_check loops over.
    sqlite::Statement rows(
        connection_, "SELECT name FROM pragma_table_list WHERE schema='main' AND type<>'view'");
    while (rows.step()) {
      const std::string name = rows.text(0);
      tasks.push_back(task_for(check_of(name), tables[name]));
    }
    return tasks;
  }

  std::map<std::string, TableTrees> trees_of_tables() {
    std::map<std::string, TableTrees> tables;
    sqlite::Statement rows(connection_,
                           "SELECT tbl_name, rootpage FROM sqlite_schema WHERE rootpage>0");
    while (rows.step()) {
      TableTrees& table = tables[rows.text(0)];
      ++table.trees;
      table.pages += owners_->estimated_pages(static_cast<std::uint32_t>(rows.integer(1)));
    }
    return tables;
  }

  // Each row is looked up in each index.
  static Task task_for(const std::string& pragma, const TableTrees& table) {
    const Access access = table.trees > 1 ? Access::anywhere : Access::in_order;
    return {kCostOfCheck * table.pages,
            [pragma, access](sqlite::Connection& connection, StepReport& part) {
              expect_access(connection, access);
              check_structure(connection, pragma, part);
            }};
  }

  std::string check_of(const std::string& table) const {
    std::string argument;
    for (const char c : table) argument += c == '\'' ? std::string("''") : std::string(1, c);
    return pragma_ + "('" + argument + "')";
  }

  const ReaderVfs& vfs_;
  RunContext& context_;
  const std::string pragma_;
  sqlite::Connection connection_;
  const Roots roots_;
  std::optional<PageOwners> owners_;
};

unsigned jobs_for(const VerifyOptions& options, std::uint64_t size_bytes) {
  if (options.jobs != 0) return options.jobs;
  if (size_bytes < kSmallBytes) return 1;
  return std::clamp(std::thread::hardware_concurrency(), 1U, kMostJobs);
}

}  // namespace

void check_state_structure(const CheckedState& state, const ReaderVfs& vfs,
                           const VerifyOptions& options, RunContext& context, StepReport& found) {
  StructureCheck(state, vfs, options, context).run(jobs_for(options, state.size_bytes()), found);
}

}  // namespace sqlbk::checkpoint
