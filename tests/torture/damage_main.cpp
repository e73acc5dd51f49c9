// damage: corrupts one page of a database after another, in one way or another, and compares what
// verify says of it with what PRAGMA integrity_check says: whatever the pragma calls damaged,
// verify must call damaged, with one connection and with several. Prints a summary; exit 1 for a
// miss.
//
//   damage [COUNT [SIZE_MB [SEED]]]      default: 60 damages of a database of 1 MiB
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "kit/temporary_directory.hpp"
#include "sqlbk/checkpoint/verify.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sqlite.hpp"

namespace sqlbk::torture {
namespace {

using namespace std::chrono_literals;
using checkpoint::VerifyReport;
using Page = std::vector<std::byte>;
using Random = std::mt19937_64;

constexpr std::size_t kPageSize = 4096;
constexpr auto kPatience = 120s;  // a check that takes longer hangs
constexpr std::array kJobs{1U, 3U};

// Extensions that the linked SQLite may lack.
bool try_execute(sqlite::Connection& connection, const std::string& sql) {
  try {
    connection.execute(sql);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// Every kind of page: inner and leaf pages of tables and indexes, overflow, pointer map, freelist.
void make_database(const std::string& path, unsigned size_mb) {
  sqlite::Connection connection(path, sqlite::OpenMode::create);
  const std::string rows = std::to_string(size_mb * 500);
  connection.execute(
      "PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA synchronous=OFF;"
      "CREATE TABLE a(id INTEGER PRIMARY KEY, x TEXT NOT NULL, y INT CHECK(y>=0));"
      "CREATE INDEX ax ON a(x); CREATE UNIQUE INDEX ay ON a(y, x);"
      "CREATE TABLE w(k TEXT PRIMARY KEY, v, u UNIQUE) WITHOUT ROWID;"
      "CREATE TABLE big(id INTEGER PRIMARY KEY, b BLOB);"
      "CREATE TABLE gone(b BLOB); CREATE TABLE empty(x PRIMARY KEY);"
      "CREATE TABLE s(x INTEGER, y TEXT) STRICT; CREATE INDEX sp ON s(y) WHERE x > 5");
  const std::string numbers =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<" + rows + ") ";
  connection.execute("BEGIN");
  connection.execute(numbers + "INSERT INTO a SELECT i, hex(randomblob(60)), i*7 FROM n");
  connection.execute(numbers +
                     "INSERT INTO w SELECT hex(randomblob(40)), hex(randomblob(90)), i FROM n");
  connection.execute(numbers + "INSERT INTO s SELECT i%20, hex(randomblob(30)) FROM n");
  connection.execute(numbers + "INSERT INTO big SELECT i, randomblob(9000) FROM n WHERE i%25=0");
  connection.execute(numbers + "INSERT INTO gone SELECT randomblob(3000) FROM n WHERE i%10=0");
  if (try_execute(connection, "CREATE VIRTUAL TABLE f USING fts5(body)")) {
    connection.execute(
        numbers +
        "INSERT INTO f SELECT 'word' || i || ' of ' || hex(randomblob(20)) FROM n WHERE i%3=0");
  } else {
    std::cout << "without FTS5\n";
  }
  if (try_execute(connection, "CREATE VIRTUAL TABLE r USING rtree(id, x0, x1)")) {
    connection.execute(numbers + "INSERT INTO r SELECT i, i, i+10 FROM n WHERE i%3=0");
  } else {
    std::cout << "without R-Tree\n";
  }
  connection.execute("COMMIT; DELETE FROM gone; DELETE FROM a WHERE id%50=0; ANALYZE");
  connection.close();
}

// What is done to a page; half of it is aimed at the bytes that hold structure.
std::string damage_page(Page& page, const Page& other, std::size_t start, Random& random) {
  const auto any = [&](std::size_t from, std::size_t to) {
    return std::uniform_int_distribution<std::size_t>(from, to - 1)(random);
  };
  const auto byte = [&] { return static_cast<std::byte>(any(0, 256)); };
  switch (any(0, 8)) {
    case 0: {
      const std::size_t at = any(0, page.size());
      page[at] ^= static_cast<std::byte>(1U << any(0, 8));
      return "a bit anywhere";
    }
    case 1: {
      const std::size_t at = start + any(0, 12);
      page[at] ^= static_cast<std::byte>(1U << any(0, 8));
      return "a bit of the page header";
    }
    case 2: {
      page[start + any(8, 80)] = byte();
      return "a byte of the cell pointers";
    }
    case 3:
      std::ranges::fill(page, std::byte{0});
      return "zeros";
    case 4:
      std::ranges::generate(page, byte);
      return "noise";
    case 5:
      page = other;
      return "another page";
    case 6: {
      const std::size_t from = any(0, page.size() - 1);
      const std::size_t to = std::min(page.size(), from + any(1, 64));
      std::generate(page.begin() + static_cast<std::ptrdiff_t>(from),
                    page.begin() + static_cast<std::ptrdiff_t>(to), byte);
      return "a run of bytes";
    }
    default: {
      // Two entries of the cell pointer array change places: cells out of order.
      const std::size_t one = start + 8 + 2 * any(0, 8);
      const std::size_t two = start + 8 + 2 * any(0, 8);
      std::swap_ranges(page.begin() + static_cast<std::ptrdiff_t>(one),
                       page.begin() + static_cast<std::ptrdiff_t>(one + 2),
                       page.begin() + static_cast<std::ptrdiff_t>(two));
      return "two cells swapped";
    }
  }
}

enum class Oracle { ok, damaged, failed };

Oracle ask_sqlite(const std::string& path) {
  try {
    sqlite::Connection connection(path, sqlite::OpenMode::immutable);
    const auto start = std::chrono::steady_clock::now();
    connection.set_progress_handler(
        100000, [start] { return std::chrono::steady_clock::now() - start > kPatience; });
    return connection.text("PRAGMA integrity_check") == "ok" ? Oracle::ok : Oracle::damaged;
  } catch (const Error& error) {
    const bool damaged = error.code() == Errc::damaged || error.code() == Errc::not_a_database;
    return damaged ? Oracle::damaged : Oracle::failed;
  }
}

VerifyReport ask_verify(const std::string& path, unsigned jobs) {
  Progress progress;
  const CancelToken cancel;
  RunContext context(progress, cancel, {.deadline = Deadline::after(kPatience)});
  checkpoint::VerifyOptions options;
  options.jobs = jobs;
  const auto no_stage = [](const std::string& database, const std::string&, RunContext&,
                           const std::function<void(StagedImage&, const Report&)>&) {
    throw Error(Errc::sqlite_error, "nobody uses " + database);
  };
  return checkpoint::verify_database(path, options, no_stage, context);
}

bool structure_is_damaged(const VerifyReport& report) {
  return std::ranges::any_of(report.checks, [](const StepReport& check) {
    return check.name == "structure" && check.verdict == StepVerdict::damaged;
  });
}

class Run {
 public:
  Run(unsigned size_mb, unsigned long seed) : random_(seed), path_(directory_.file("app.db")) {
    make_database(path_, size_mb);
    fd_ = open_at(AT_FDCWD, path_, O_RDWR, 0, path_);
    pages_ = stat_of(fd_.get(), path_).size_bytes / kPageSize;
    std::cout << pages_ << " pages\n";
    expect_sound();
  }

  void damage_once() {
    const std::size_t number = any_page();
    const Page sound = read(number);
    Page page = sound;
    const std::string how = damage_page(page, read(any_page()), number == 0 ? 100 : 0, random_);
    write(number, page);
    judge("page " + std::to_string(number + 1) + ", " + how);
    write(number, sound);
  }

  int summarize() const {
    std::cout << damages_ << " damages: integrity_check calls " << damaged_
              << " damaged, could not check " << failed_ << "; verify calls damaged " << more_
              << " more; missed " << missed_ << '\n';
    return missed_ == 0 ? 0 : 1;
  }

  void expect_sound() {
    for (const unsigned jobs : kJobs) {
      const VerifyReport report = ask_verify(path_, jobs);
      if (report.verdict != StepVerdict::ok)
        throw Error(Errc::damaged, "a sound database is called damaged");
    }
  }

 private:
  std::size_t any_page() {
    return std::uniform_int_distribution<std::size_t>(0, pages_ - 1)(random_);
  }
  Page read(std::size_t number) const {
    Page page(kPageSize);
    static_cast<void>(read_up_to(fd_.get(), page, number * kPageSize, path_));
    return page;
  }
  void write(std::size_t number, const Page& page) const {
    write_all(fd_.get(), page, number * kPageSize, path_);
  }

  void judge(const std::string& what) {
    ++damages_;
    const Oracle oracle = ask_sqlite(path_);
    damaged_ += oracle == Oracle::damaged ? 1 : 0;
    failed_ += oracle == Oracle::failed ? 1 : 0;
    bool is_more = false;
    for (const unsigned jobs : kJobs) {
      const VerifyReport report = ask_verify(path_, jobs);
      const bool is_bad = report.verdict == StepVerdict::damaged;
      is_more = is_more || (is_bad && oracle == Oracle::ok);
      // The structure alone must find it: the other layers are no part of the comparison.
      const bool is_none = report.error && report.error->code() == Errc::not_a_database;
      const bool missed = oracle == Oracle::damaged && !is_none && !structure_is_damaged(report);
      const bool calmed = oracle == Oracle::failed && report.verdict == StepVerdict::ok;
      if (!missed && !calmed) continue;
      ++missed_;
      std::cout << "missed with " << jobs << " jobs: " << what << '\n';
    }
    more_ += is_more ? 1 : 0;
  }

  Random random_;
  kit::TemporaryDirectory directory_;
  std::string path_;
  UniqueFd fd_;
  std::size_t pages_ = 0;
  unsigned damages_ = 0;
  unsigned damaged_ = 0;
  unsigned failed_ = 0;
  unsigned more_ = 0;
  unsigned missed_ = 0;
};

int run(const std::vector<std::string>& arguments) {
  const auto number = [&arguments](std::size_t index, unsigned long otherwise) {
    return index < arguments.size() ? std::stoul(arguments[index]) : otherwise;
  };
  const unsigned long count = number(0, 60);
  Run run(static_cast<unsigned>(number(1, 1)), number(2, 1));
  for (unsigned long i = 0; i < count; ++i) run.damage_once();
  run.expect_sound();
  return run.summarize();
}

}  // namespace
}  // namespace sqlbk::torture

int main(int argc, char** argv) {
  try {
    return sqlbk::torture::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << "damage: " << error.what() << '\n';
  }
  return 2;
}
