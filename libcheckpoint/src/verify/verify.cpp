#include "sqlbk/checkpoint/verify.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <fcntl.h>

#include "check_result.hpp"
#include "pragma_check.hpp"
#include "sqlbk/core/fold.hpp"
#include "sqlbk/core/io.hpp"
#include "verify/checks.hpp"

namespace sqlbk::checkpoint {
namespace {

using namespace std::chrono_literals;

// Younger than this, a file may have been written to in the same tick of the kernel's clock in
// which it was looked at.
constexpr auto kQuietTime = 50ms;

constexpr std::array<CheckInfo, 6> kChecks{{
    {"header", "the header of the database against itself and the size of the file"},
    {"wal", "header and checksums of the WAL, its last commit, commits cut off by damage"},
    {"journal", "a journal that a dead program left"},
    {"structure", "PRAGMA integrity_check, or quick_check with --quick"},
    {"foreign_keys", "PRAGMA foreign_key_check"},
    {"sha256", "the digest in DATABASE.sha256, where there is one"},
}};

class Stopwatch {
 public:
  Nanoseconds elapsed() const { return std::chrono::steady_clock::now() - start_; }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void require_known_checks(const VerifyOptions& options) {
  for (const std::string& name : options.checks) {
    if (std::ranges::find(kChecks, name, &CheckInfo::name) != kChecks.end()) continue;
    std::string known;
    for (const CheckInfo& check : kChecks)
      known += (known.empty() ? "" : ", ") + std::string(check.name);
    throw Error(Errc::usage, "there is no check " + quoted(name)).with_hint("one of: " + known);
  }
}

// One database being verified.
class Verification {
 public:
  Verification(const std::string& database, const VerifyOptions& options, const StageCopy& stage,
               RunContext& context, VerifyReport& report)
      : options_(options),
        stage_(stage),
        context_(context),
        report_(report),
        files_(database),
        facts_(probe_source(files_)) {}

  void run() {
    refuse_what_is_unsupported();
    refuse_what_is_no_database();
    run_check("wal",
              [&](StepReport& found) { check_wal(files_, facts_, context_, report_, found); });
    run_check("journal", [&](StepReport& found) { check_journal(files_, facts_, report_, found); });
    const std::size_t so_far = report_.checks.size();
    if (!can_be_read_in_place() || !check_in_place()) {
      // What was found in a file that was changing is worth nothing.
      report_.checks.resize(so_far);
      check_a_copy();
    }
    run_check("sha256", [&](StepReport& found) { check_sha256(files_, context_, found); });
  }

 private:
  bool is_wanted(std::string_view check) const {
    return options_.checks.empty() ||
           std::ranges::find(options_.checks, check) != options_.checks.end();
  }

  void run_check(const std::string& name, const std::function<void(StepReport&)>& check) {
    if (!is_wanted(name)) return;
    context_.log(LogLevel::info, "check " + name);
    context_.tick();
    const Stopwatch time;
    StepReport result = checkpoint::run_check(name, context_, check);
    result.elapsed = time.elapsed();
    report_.checks.push_back(std::move(result));
  }

  // A file of which nothing looks like a database is none. One whose first bytes alone are wrong
  // is a damaged one.
  void refuse_what_is_no_database() {
    if (facts_.is_empty() && facts_.wal_size_bytes() > 0) {
      throw Error(Errc::damaged, "the main file of " + quoted(facts_.given_path) +
                                     " is empty, but its -wal is not")
          .with_path(facts_.given_path)
          .with_hint(
              "the WAL may be all that is left: copy both files away before anything "
              "opens them");
    }
    if (facts_.is_empty() || facts_.header || looks_like_a_damaged_database()) return;
    throw Error(Errc::not_a_database, "unable to check " + quoted(facts_.given_path) +
                                          ": the file " +
                                          std::string(format::to_string(facts_.header.issue)))
        .with_path(facts_.given_path)
        .with_hint("check the path; of an encrypted database nothing can be checked");
  }

  // What no SQLite would read either, or what would be misread.
  void refuse_what_is_unsupported() {
    try {
      require_copyable(facts_, {.foreign = true, .opaque = false});
    } catch (const Error& error) {
      if (error.code() != Errc::unsupported_database) return;
      constexpr std::string_view kCopy = "unable to copy ";
      std::string what = error.what();
      if (what.starts_with(kCopy)) what = "unable to check " + what.substr(kCopy.size());
      Error refusal(error.code(), what);
      refusal.with_path(error.path()).with_hint(std::string(error.hint()));
      throw refusal;
    }
  }

  // With the magic put right, or without it, the rest of the header makes sense.
  bool looks_like_a_damaged_database() const {
    std::array<std::byte, format::kDbHeaderSizeBytes> bytes{};
    if (files_.read(SourceFile::main, bytes, 0) < bytes.size()) return false;
    const auto magic = std::as_bytes(std::span(format::kDbMagic));
    const bool has_magic = std::equal(magic.begin(), magic.end(), bytes.begin());
    if (has_magic) return true;
    std::ranges::copy(magic, bytes.begin());
    const format::ParsedDbHeader header = format::parse_db_header(bytes);
    return header && facts_.main.size_bytes % header->page_size_bytes == 0 &&
           header->text_encoding <= 3 && header->size_pages != 0;
  }

  bool can_be_read_in_place() const { return facts_.at_rest() && !facts_.has_hot_journal(); }

  // False: somebody came by.
  bool check_in_place() {
    wait_until_quiet();
    if (!can_be_read_in_place()) return false;
    CheckedState state(files_.fd_of(SourceFile::main), files_.main_path());
    if (facts_.wal_header) {
      const WalScan scan =
          scan_wal(files_.fd_of(SourceFile::wal), files_.path_of(SourceFile::wal), context_);
      if (scan.committed.frames != 0) {
        state.lay_over(files_.fd_of(SourceFile::wal), files_.path_of(SourceFile::wal),
                       scan.committed, context_);
      }
    }
    report_.in_place = true;
    check_state(state);
    return is_unchanged();
  }

  void wait_until_quiet() {
    const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::system_clock::now().time_since_epoch());
    const std::int64_t newest =
        std::max(facts_.main.ctime_ns, facts_.wal ? facts_.wal->ctime_ns : 0);
    const auto quiet_time = kQuietTime + facts_.file_system.timestamp_granularity;
    const auto age = now - std::chrono::nanoseconds(newest);
    if (age < quiet_time && age >= 0ns) {
      context_.sleep_for(std::chrono::ceil<std::chrono::milliseconds>(quiet_time - age));
    }
    facts_ = probe_source(files_);
  }

  bool is_unchanged() {
    const auto same = [&](SourceFile file, const std::optional<FileStat>& before) {
      const std::optional<FileStat> now = files_.stat_by_path(file);
      return now.has_value() == before.has_value() && (!now || now->unchanged(*before));
    };
    return same(SourceFile::main, facts_.main) && same(SourceFile::wal, facts_.wal) &&
           same(SourceFile::journal, facts_.journal) && !lock_state(files_).writer;
  }

  void check_a_copy() {
    report_.in_place = false;
    Report copied;
    stage_(files_.given_path(), options_.tempdir, context_, copied, [&](StagedImage& image) {
      report_.copied_bytes = copied.size_bytes;
      report_.copied_how = std::string(to_string(copied.verdict)) + " by " + copied.strategy;
      const UniqueFd fd = open_at(AT_FDCWD, image.main_path(), O_RDONLY, 0, image.main_path());
      check_state(CheckedState(fd.get(), files_.main_path()));
    });
    for (const std::string& assumption : copied.assumptions) {
      report_.notes.push_back("assumed: " + assumption);
    }
    for (const std::string& warning : copied.warnings) report_.notes.push_back(warning);
  }

  void check_state(const CheckedState& state) {
    report_.size_bytes = state.size_bytes();
    if (facts_.header) report_.page_size_bytes = facts_.header->page_size_bytes;
    if (state.size_bytes() == 0) {
      report_.notes.emplace_back("the file is empty, which is an empty database");
      return;
    }
    run_check("header", [&](StepReport& found) { check_header(state, report_, found); });
    const ReaderVfs vfs(state, context_.progress());
    run_check("structure", [&](StepReport& found) {
      context_.progress().begin(Phase::steps, state.size_bytes());
      check_state_structure(vfs, options_, context_, found);
    });
    run_check("foreign_keys", [&](StepReport& found) {
      context_.progress().begin(Phase::steps, 0);
      sqlite::Connection connection = vfs.connect(context_);
      check_foreign_keys(connection, found);
    });
  }

  const VerifyOptions& options_;
  const StageCopy& stage_;
  RunContext& context_;
  VerifyReport& report_;
  LiveFiles files_;
  SourceFacts facts_;
};

StepVerdict verdict_of(const VerifyReport& report) {
  const auto any = [&report](StepVerdict verdict) {
    return std::ranges::find(report.checks, verdict, &StepReport::verdict) != report.checks.end();
  };
  if (any(StepVerdict::damaged) || (report.error && report.error->code() == Errc::damaged)) {
    return StepVerdict::damaged;
  }
  if (any(StepVerdict::could_not_check) || report.error) return StepVerdict::could_not_check;
  return StepVerdict::ok;
}

}  // namespace

std::span<const CheckInfo> verify_checks() noexcept {
  return kChecks;
}

VerifyReport verify_database(const std::string& database, const VerifyOptions& options,
                             const StageCopy& stage, RunContext& context) {
  require_known_checks(options);
  VerifyReport report;
  report.database = database;
  const Stopwatch time;
  context.progress().begin(Phase::probe, 0);
  try {
    Verification(database, options, stage, context, report).run();
  } catch (const Error& error) {
    if (error.code() == Errc::interrupted || error.code() == Errc::deadline_exceeded) throw;
    report.error = error;
  }
  report.verdict = verdict_of(report);
  report.total_time = time.elapsed();
  return report;
}

}  // namespace sqlbk::checkpoint
