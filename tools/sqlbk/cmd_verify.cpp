#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>
#include <thread>
#include <utility>

#include <boost/program_options.hpp>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "common_options.hpp"
#include "json_output.hpp"
#include "manifest.hpp"
#include "print.hpp"
#include "progress_bar.hpp"
#include "signals.hpp"
#include "sqlbk/checkpoint/verify.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/pipeline.hpp"
#include "unexpected.hpp"

namespace sqlbk::tool {
namespace {

namespace po = boost::program_options;
using checkpoint::VerifyOptions;
using checkpoint::VerifyReport;

constexpr std::size_t kMostFindingsPrinted = 20;  // of one check; --json has all

struct VerifyCommand {
  std::vector<std::string> databases;
  VerifyOptions options;
  std::optional<Deadline> deadline;
  LogLevel log_level = LogLevel::warning;
  ProgressMode progress = ProgressMode::automatic;
  bool json = false;
  bool quiet = false;
};

po::options_description verify_options() {
  po::options_description options("options");
  // clang-format off
  options.add_options()
    ("help,h", "this text")
    ("checks", po::value<std::string>()->value_name("CHECK[,CHECK...]"),
     "only these (default: all)")
    ("quick", "PRAGMA quick_check: do not compare the indexes with their tables")
    ("jobs", po::value<std::string>()->value_name("N"),
     "threads that check (default: all cores; 1 for a database below 32 MiB)")
    ("against", po::value<std::string>()->value_name("SOURCE"),
     "whether the one DATABASE, a copy, holds what SOURCE holds")
    ("manifest", po::value<std::string>()->value_name("FILE"),
     "whether the one DATABASE is what this manifest of 'sqlbk copy' says")
    ("tempdir", po::value<std::string>()->value_name("DIR"),
     "where a database that is in use is copied to, to be checked there (default: $TMPDIR or "
     "/var/tmp)")
    ("timeout", po::value<std::string>()->value_name("DURATION"),
     "deadline of the whole run, as 90s or 5m (default: none)")
    ("json", "one JSON object on standard output, errors included")
    ("quiet", "print nothing about databases that are sound")
    ("debug", "say what is done and why, step by step")
    ("progress", po::value<std::string>()->value_name("auto|always|never"),
     "progress bar on standard error (default: auto, on a terminal)");
  // clang-format on
  return options;
}

void print_help(TextOutput& out) {
  out << "usage: sqlbk verify [options] DATABASE...\n\n"
         "Checks whether databases are sound, and prints a line about each. Nothing is written to\n"
         "a database, its sidecars or its directory. One that nobody uses is read where it lies;\n"
         "one that is in use is copied first, and the copy is checked.\n\n"
         "checks:\n";
  for (const checkpoint::CheckInfo& check : checkpoint::verify_checks()) {
    out << "  " << check.name << std::string(14 - check.name.size(), ' ') << check.summary << '\n';
  }
  out << '\n';
  out.own(text_of(verify_options())) << '\n';
  print_exit_codes(out);
}

unsigned parse_jobs(const std::string& text) {
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < 1 || value > 256) {
    throw Error(Errc::usage,
                "the value " + sqlbk::quoted(text) + " of --jobs is not a number from 1 to 256");
  }
  return static_cast<unsigned>(value);
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream in(list);
  for (std::string word; std::getline(in, word, ',');) words.push_back(word);
  if (words.empty()) throw Error(Errc::usage, "--checks names no check");
  return words;
}

VerifyCommand interpret(const po::variables_map& given) {
  VerifyCommand command;
  const auto text = [&given](const char* name) { return given[name].as<std::string>(); };
  command.json = given.count("json") != 0;
  command.quiet = given.count("quiet") != 0;
  command.options.quick = given.count("quick") != 0;
  if (given.count("operand") == 0) {
    throw Error(Errc::usage, "'sqlbk verify' takes at least one database")
        .with_hint("sqlbk verify [options] DATABASE...");
  }
  command.databases = given["operand"].as<std::vector<std::string>>();
  if (std::ranges::count(command.databases, "") != 0) {
    throw Error(Errc::usage, "the name of a database is empty")
        .with_hint("sqlbk verify [options] DATABASE...");
  }
  if (given.count("checks") != 0) command.options.checks = split(text("checks"));
  if (given.count("jobs") != 0) command.options.jobs = parse_jobs(text("jobs"));
  if (given.count("against") != 0) command.options.against = text("against");
  if (!command.options.against.empty() && command.databases.size() != 1) {
    throw Error(Errc::usage, "--against compares one database with one other, but " +
                                 std::to_string(command.databases.size()) + " were given")
        .with_hint("sqlbk verify COPY --against SOURCE");
  }
  if (given.count("manifest") != 0) {
    if (command.databases.size() != 1) {
      throw Error(Errc::usage, "a manifest is of one database, but " +
                                   std::to_string(command.databases.size()) + " were given")
          .with_hint("sqlbk verify --manifest FILE COPY");
    }
    command.options.expected = read_manifest(text("manifest"));
  }
  if (given.count("tempdir") != 0) command.options.tempdir = text("tempdir");
  if (given.count("timeout") != 0 && text("timeout") != "none") {
    command.deadline = Deadline::after(parse_duration(text("timeout"), "timeout"));
  }
  command.log_level = log_level_asked(given.count("debug") != 0);
  if (command.quiet || command.json) command.progress = ProgressMode::never;
  if (given.count("progress") != 0) command.progress = parse_progress_mode(text("progress"));
  return command;
}

bool is_directory(const std::string& path) {
  const std::optional<FileStat> there = path.empty() ? std::nullopt : stat_path(path);
  return there && there->is_directory();
}

// Whether what is made in `directory` would be made beside the database.
bool holds_database(const std::string& directory, const std::string& database) {
  std::error_code code;
  const auto real = std::filesystem::canonical(database, code).parent_path();
  if (code) return false;
  const std::optional<FileStat> one = stat_path(real.string());
  const std::optional<FileStat> other = stat_path(directory);
  return one && other && one->same_file(*other);
}

std::string tempdir_for(const std::string& database, const std::string& asked) {
  if (!asked.empty()) {
    if (!holds_database(asked, database)) return asked;
    throw Error(Errc::usage, "the directory " + sqlbk::quoted(asked) + " of --tempdir is that of " +
                                 sqlbk::quoted(database) + ", where nothing may be written")
        .with_hint("name another directory");
  }
  const char* const variable = std::getenv("TMPDIR");
  const std::array<std::string, 4> candidates{variable != nullptr ? variable : "", "/var/tmp",
                                              "/tmp", "/dev/shm"};
  for (const std::string& directory : candidates) {
    if (is_directory(directory) && !holds_database(directory, database)) return directory;
  }
  throw Error(Errc::destination_unusable,
              "there is no directory for a copy of " + sqlbk::quoted(database) + " to check")
      .with_hint("name one with --tempdir");
}

// The copy that is checked where a database is in use: by `auto`.
checkpoint::StageCopy make_stage(const Registry& registry, const VerifyCommand& command) {
  return [&registry, &command](const std::string& database, const std::string& /*tempdir*/,
                               RunContext& context, const Pipeline::Look& look) {
    CopyRequest request;
    request.source = database;
    request.target.tempdir = tempdir_for(database, command.options.tempdir);
    request.destination = request.target.tempdir;
    request.journal_mode = JournalMode::keep;
    static_cast<void>(Pipeline::build(std::move(request), registry).stage(context, look));
  };
}

int exit_code_of(const VerifyReport& report) {
  switch (report.verdict) {
    case StepVerdict::ok:
    case StepVerdict::skipped:
      return 0;
    case StepVerdict::damaged:
      return errc_info(Errc::damaged).exit_code;
    case StepVerdict::could_not_check:
      break;
  }
  return report.error ? errc_info(report.error->code()).exit_code : 1;
}

// Damage counts more than what could not be checked.
int exit_code_of(const std::vector<VerifyReport>& reports) {
  int first_failure = 0;
  for (const VerifyReport& report : reports) {
    const int code = exit_code_of(report);
    if (report.verdict == StepVerdict::damaged) return code;
    if (first_failure == 0) first_failure = code;
  }
  return first_failure;
}

nlohmann::json facts_json(const VerifyReport& report) {
  nlohmann::json facts = nlohmann::json::object();
  if (report.wal) {
    facts["wal_frames"] = std::to_string(report.wal->frames);
    facts["wal_valid_frames"] = std::to_string(report.wal->valid_frames);
    facts["wal_committed_frames"] = std::to_string(report.wal->committed_frames);
    facts["wal_salt"] =
        std::to_string(report.wal->salt.salt1) + "," + std::to_string(report.wal->salt.salt2);
  }
  if (report.journal) {
    facts["journal_bytes"] = std::to_string(report.journal->size_bytes);
    if (report.journal->records) {
      facts["journal_records"] = std::to_string(*report.journal->records);
    } else if (report.journal->has_as_many_as_fit) {
      facts["journal_records"] = "as many as fit";
    }
  }
  return facts;
}

nlohmann::json as_json(const VerifyReport& report) {
  nlohmann::json checks = nlohmann::json::array();
  for (const StepReport& check : report.checks) checks.push_back(to_json(check));
  return {{"database", report.database},
          {"verdict", to_string(report.verdict)},
          {"error", report.error ? to_json(*report.error) : nlohmann::json(nullptr)},
          {"in_place", report.in_place},
          {"copied_bytes", report.copied_bytes},
          {"copied_how", report.copied_how},
          {"page_size_bytes", report.page_size_bytes},
          {"size_bytes", report.size_bytes},
          {"checks", checks},
          {"against",
           {{"result", to_string(report.against.result)}, {"reason", report.against.reason}}},
          {"notes", report.notes},
          {"facts", facts_json(report)},
          {"elapsed_ms", milliseconds(report.total_time)}};
}

nlohmann::json result_json(const std::vector<VerifyReport>& reports, int exit_code,
                           nlohmann::json error) {
  nlohmann::json databases = nlohmann::json::array();
  for (const VerifyReport& report : reports) databases.push_back(as_json(report));
  return {{"command", "verify"},
          {"version", SQLBK_VERSION},
          {"exit_code", exit_code},
          {"error", std::move(error)},
          {"databases", databases}};
}

// As it was given, unless that would not be one readable line.
std::string name_of(const std::string& path) {
  const std::string safe = sqlbk::quoted(path);
  return safe == "'" + path + "'" ? path : safe;
}

bool differs_for_unknown_reason(const VerifyReport& report) {
  return report.against.result == checkpoint::Against::differs_cause_unknown;
}

// Nothing else keeps it from being good.
bool only_differs(const VerifyReport& report) {
  return differs_for_unknown_reason(report) &&
         std::ranges::count(report.checks, StepVerdict::could_not_check, &StepReport::verdict) == 1;
}

void print_findings(TextOutput& out, const VerifyReport& report) {
  for (const StepReport& check : report.checks) {
    if (check.verdict == StepVerdict::ok || check.verdict == StepVerdict::skipped) continue;
    const bool says_what = check.verdict == StepVerdict::damaged ||
                           (check.name == "against" && differs_for_unknown_reason(report));
    const std::string title = check.name + (says_what ? ": " : ": could not check: ");
    const std::size_t count = std::min(check.findings.size(), kMostFindingsPrinted);
    for (std::size_t i = 0; i < count; ++i) {
      out << "  " << title << check.findings[i] << '\n';
    }
    if (count < check.findings.size()) {
      out << "  " << title << check.findings.size() - count << " more findings\n";
    }
  }
}

void print_line(TextOutput& out, const VerifyReport& report) {
  out << name_of(report.database) << ": ";
  switch (report.verdict) {
    case StepVerdict::ok:
    case StepVerdict::skipped:
      out << "ok";
      break;
    case StepVerdict::damaged:
      out << "damaged";
      break;
    case StepVerdict::could_not_check:
      out << (only_differs(report)
                  ? "sound, but it is not what its source holds, and nothing tells why"
                  : "could not be checked");
      break;
  }
  if (report.error) {
    out << ": " << report.error->what() << '\n';
    if (!report.error->hint().empty()) standard_error() << "hint: " << report.error->hint() << '\n';
    return;
  }
  out << " (" << format_bytes(report.size_bytes) << " in " << format_duration(report.total_time);
  if (report.in_place) {
    out << ", read in place)\n";
  } else {
    out << ", on a copy of " << format_bytes(report.copied_bytes) << ", " << report.copied_how
        << ")\n";
  }
}

void print_report(const VerifyReport& report, bool quiet) {
  if (quiet && report.verdict == StepVerdict::ok) return;
  TextOutput& out = standard_output();
  print_line(out, report);
  print_findings(out, report);
  for (const std::string& note : report.notes) out << "  note: " << note << '\n';
  out.flush();
}

VerifyReport verify_one(const std::string& database, const VerifyCommand& command,
                        const checkpoint::StageCopy& stage, const CancelToken& cancel) {
  Progress progress;
  RunContext context(progress, cancel,
                     {.deadline = command.deadline.value_or(Deadline::never()),
                      .log_sink = make_log_sink(command.log_level)});
  const StopSignals stops(context);
  const ProgressBar bar(progress, command.progress);
  try {
    return verify_database(database, command.options, stage, context);
  } catch (const Error& error) {
    if (error.code() != Errc::deadline_exceeded) throw;
    VerifyReport report;
    report.database = database;
    report.error = error;
    return report;
  }
}

int run_command(const VerifyCommand& command, const Registry& registry,
                std::vector<VerifyReport>& reports) {
  static CancelToken cancel;
  cancel_on_signals(cancel);
  const checkpoint::StageCopy stage = make_stage(registry, command);
  for (const std::string& database : command.databases) {
    reports.push_back(verify_one(database, command, stage, cancel));
    if (!command.json) print_report(reports.back(), command.quiet);
  }
  const int exit_code = exit_code_of(reports);
  if (command.json) print_json(standard_output(), result_json(reports, exit_code, nullptr));
  return exit_code;
}

}  // namespace

int run_verify(const std::vector<std::string>& arguments, const Registry& registry) {
  std::vector<VerifyReport> reports;
  try {
    const po::variables_map given = parse_arguments(verify_options(), arguments, "verify");
    if (given.count("help") != 0) {
      print_help(standard_output());
      return 0;
    }
    const VerifyCommand command = interpret(given);
    return with_errors_only([&] { return run_command(command, registry, reports); });
  } catch (Error& error) {
    hint_at_help(error, "verify");
    if (has_flag(arguments, "--json")) {
      print_json(standard_output(),
                 result_json(reports, errc_info(error.code()).exit_code, to_json(error)));
    }
    throw;
  }
}

}  // namespace sqlbk::tool
