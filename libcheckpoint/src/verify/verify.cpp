#include "sqlbk/checkpoint/verify.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "check_result.hpp"
#include "pragma_check.hpp"
#include "verify/checks.hpp"
#include "verify/difference.hpp"
#include "verify/state_reader.hpp"

namespace sqlbk::checkpoint {
namespace {

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

// With the magic put right, or without it, the rest of the header makes sense.
bool looks_like_a_damaged_database(const LiveFiles& files, const SourceFacts& facts) {
  std::array<std::byte, format::kDbHeaderSizeBytes> bytes{};
  if (files.read(SourceFile::main, bytes, 0) < bytes.size()) return false;
  const auto magic = std::as_bytes(std::span(format::kDbMagic));
  const bool has_magic = std::equal(magic.begin(), magic.end(), bytes.begin());
  if (has_magic) return true;
  std::ranges::copy(magic, bytes.begin());
  const format::ParsedDbHeader header = format::parse_db_header(bytes);
  return header && facts.main.size_bytes % header->page_size_bytes == 0 &&
         header->text_encoding <= 3 && header->size_pages != 0;
}

// A file of which nothing looks like a database is none. One whose first bytes alone are wrong
// is a damaged one.
void refuse_what_is_no_database(const LiveFiles& files, const SourceFacts& facts) {
  if (facts.is_empty() && facts.wal_size_bytes() > 0) {
    throw Error(Errc::damaged,
                "the main file of " + quoted(facts.given_path) + " is empty, but its -wal is not")
        .with_path(facts.given_path)
        .with_hint(
            "the WAL may be all that is left: copy both files away before anything "
            "opens them");
  }
  if (facts.is_empty() || facts.header || looks_like_a_damaged_database(files, facts)) return;
  throw Error(Errc::not_a_database, "unable to check " + quoted(facts.given_path) + ": the file " +
                                        std::string(format::to_string(facts.header.issue)))
      .with_path(facts.given_path)
      .with_hint("check the path; of an encrypted database nothing can be checked");
}

// Branches of SQLite say the same new version twice; anything else there is a flipped bit.
bool has_a_damaged_version(const LiveFiles& files, const SourceFacts& facts) {
  std::array<std::byte, 2> versions{};
  static_cast<void>(files.read(SourceFile::main, versions, format::kDbWriteVersionOffset));
  return facts.header.issue == format::DbHeaderIssue::bad_read_version &&
         versions[0] != versions[1];
}

// What no SQLite would read either, or what would be misread.
void refuse_what_is_unsupported(const LiveFiles& files, const SourceFacts& facts) {
  if (has_a_damaged_version(files, facts)) return;
  const std::optional<Refusal> refusal = refusal_of(facts, {.foreign = true, .opaque = false});
  if (refusal && refusal->code == Errc::unsupported_database) {
    throw refused(*refusal, "check", facts.given_path);
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
        reader_(database, options.tempdir, stage, context) {}

  void run() {
    refuse_what_is_unsupported(reader_.files(), reader_.facts());
    refuse_what_is_no_database(reader_.files(), reader_.facts());
    run_check("wal", [&](StepReport& found) {
      check_wal(reader_.files(), reader_.facts(), context_, report_, found);
    });
    run_check("journal", [&](StepReport& found) {
      check_journal(reader_.files(), reader_.facts(), report_, found);
    });
    const VerifyReport so_far = report_;
    reader_.read([&](const CheckedState& state) { check_state(state); }, [&] { report_ = so_far; });
    report_.in_place = reader_.in_place();
    add_notes_of_the_copy();
    run_check("sha256", [&](StepReport& found) { check_sha256(reader_.files(), context_, found); });
    if (!options_.expected) return;
    run_in_any_case("manifest", [&](StepReport& found) {
      check_manifest(reader_.files(), reader_.facts(), *options_.expected, context_, found);
    });
  }

 private:
  bool is_wanted(std::string_view check) const {
    return options_.checks.empty() ||
           std::ranges::find(options_.checks, check) != options_.checks.end();
  }

  void run_check(const std::string& name, const std::function<void(StepReport&)>& check) {
    if (is_wanted(name)) run_in_any_case(name, check);
  }

  void run_in_any_case(const std::string& name, const std::function<void(StepReport&)>& check) {
    context_.log(LogLevel::info, "check " + name);
    context_.tick();
    const Stopwatch time;
    StepReport result = checkpoint::run_check(name, context_, check);
    if (is_of_a_copy_that_may_be_torn_ && result.verdict == StepVerdict::damaged) {
      result.verdict = StepVerdict::could_not_check;
      result.findings.insert(result.findings.begin(),
                             "what was checked is a copy that nothing proves to be one state: it "
                             "may be torn, and the database sound");
    }
    result.elapsed = time.elapsed();
    report_.checks.push_back(std::move(result));
  }

  void check_state(const CheckedState& state) {
    const Report& copied = reader_.copied();
    is_of_a_copy_that_may_be_torn_ = !reader_.in_place() && copied.verdict == Verdict::unproven;
    check_whole_state(state, copied);
    is_of_a_copy_that_may_be_torn_ = false;
  }

  void check_whole_state(const CheckedState& state, const Report& copied) {
    if (!reader_.in_place()) {
      report_.copied_bytes = state.size_bytes();
      report_.copied_how = std::string(to_string(copied.verdict)) + " by " + copied.strategy;
    }
    report_.size_bytes = state.size_bytes();
    const SourceFacts& facts = reader_.facts();
    if (facts.header) report_.page_size_bytes = facts.header->page_size_bytes;
    if (state.size_bytes() == 0) {
      report_.notes.emplace_back("the file is empty, which is an empty database");
    } else {
      check_content(state);
    }
    if (options_.against.empty()) return;
    run_in_any_case("against", [&](StepReport& found) {
      try {
        compare(state, found);
      } catch (const Error& error) {
        context_.tick();  // was it us who stopped?
        // Of the other database: this one's damage is found by the checks before.
        report_.against = {Against::not_compared, error.what()};
        found.verdict = StepVerdict::could_not_check;
        found.findings.emplace_back(error.what());
        found.error = error;
      }
    });
  }

  void check_content(const CheckedState& state) {
    run_check("header", [&](StepReport& found) { check_header(state, report_, found); });
    const ReaderVfs vfs(state, context_.progress());
    run_check("structure", [&](StepReport& found) {
      context_.progress().begin(Phase::steps, state.size_bytes());
      check_state_structure(state, vfs, options_, context_, found);
    });
    run_check("foreign_keys", [&](StepReport& found) {
      context_.progress().begin(Phase::steps, 0);
      sqlite::Connection connection = vfs.connect(context_);
      check_foreign_keys(connection, found);
    });
  }

  void compare(const CheckedState& state, StepReport& found) {
    StateReader source(options_.against, options_.tempdir, stage_, context_);
    refuse_what_is_no_database(source.files(), source.facts());
    source.read(
        [&](const CheckedState& wanted) {
          compare_states(state, wanted, context_, found);
          report_.against = {Against::equal, ""};
          if (found.findings.empty()) return;
          if (is_of_a_copy_that_may_be_torn_) {
            report_.against = {Against::differs_cause_unknown,
                               "what was compared is a copy that may be torn"};
            return;
          }
          const ComparedCopy copy{state, reader_.files(),
                                  options_.expected ? &*options_.expected : nullptr};
          report_.against = explain_difference(copy, source, wanted, context_);
        },
        [&] {
          found.findings.clear();
          report_.against = {};
        });
    judge_difference(found);
  }

  // Only what is lost is damage.
  void judge_difference(StepReport& found) {
    const std::string& why = report_.against.reason;
    switch (report_.against.result) {
      case Against::not_compared:
      case Against::equal:
        return;
      case Against::source_moved_on:
        report_.notes.push_back("the source has moved on since the copy was made: " + why);
        found.findings.clear();
        return;
      case Against::copy_lost_content:
        found.findings.push_back("lost, or changed in the copy: " + why);
        return;
      case Against::differs_cause_unknown:
        found.verdict = StepVerdict::could_not_check;
        found.findings.push_back("lost, or the source has moved on, cannot tell: " + why);
        return;
    }
  }

  void add_notes_of_the_copy() {
    for (const Assumption& assumption : reader_.copied().assumptions) {
      report_.notes.push_back("assumed: " + assumption.sentence);
    }
    for (const std::string& warning : reader_.copied().warnings) report_.notes.push_back(warning);
  }

  const VerifyOptions& options_;
  const StageCopy& stage_;
  RunContext& context_;
  VerifyReport& report_;
  StateReader reader_;
  bool is_of_a_copy_that_may_be_torn_ = false;
};

StepVerdict verdict_of(const VerifyReport& report) {
  const auto any = [&report](StepVerdict verdict) {
    return std::ranges::find(report.checks, verdict, &StepReport::verdict) != report.checks.end();
  };
  const bool is_damaged = report.error && (report.error->code() == Errc::damaged ||
                                           report.error->code() == Errc::wal_reset_bug);
  if (any(StepVerdict::damaged) || is_damaged) {
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
  } catch (Error& error) {
    error.with_source(database);
    if (error.code() == Errc::interrupted || error.code() == Errc::deadline_exceeded) throw;
    report.error = error;
  }
  report.verdict = verdict_of(report);
  report.total_time = time.elapsed();
  return report;
}

}  // namespace sqlbk::checkpoint
