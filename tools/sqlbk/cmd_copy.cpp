#include <algorithm>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

#include <boost/program_options.hpp>
#include <nlohmann/json.hpp>

#include "command.hpp"
#include "common_options.hpp"
#include "json_output.hpp"
#include "manifest.hpp"
#include "plugins.hpp"
#include "print.hpp"
#include "progress_bar.hpp"
#include "signals.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/pipeline.hpp"
#include "text_file.hpp"
#include "unexpected.hpp"

namespace sqlbk::tool {
namespace {

namespace po = boost::program_options;

// Everything that the command line says, in its own terms.
struct CopyCommand {
  CopyRequest request;
  Deadline deadline = Deadline::never();
  LogLevel log_level = LogLevel::warning;
  ProgressMode progress = ProgressMode::automatic;
  bool dry_run = false;
  bool json = false;
  bool quiet = false;
  std::vector<std::string> plugin_files;
  std::string manifest;  // "": none
};

po::options_description copy_options() {
  po::options_description options("options");
  // clang-format off
  options.add_options()
    ("help,h", "this text")
    ("strategy", po::value<std::string>()->value_name("SPEC"),
     "how to copy; see 'sqlbk list' (default: auto)")
    ("then", po::value<std::vector<std::string>>()->composing()->value_name("STEP[,STEP...]"),
     "post-steps on the copy before it is published, in order; repeatable; see 'sqlbk list'")
    ("wal-checkpoint", "fold the write-ahead log into the copy (default)")
    ("no-wal-checkpoint", "deliver main and -wal unmerged, as --keep-wal")
    ("copy-use-tempdir", "copy the files, then work on the copy (default)")
    ("no-copy-use-tempdir", "copy through SQLite straight from the live source, as --strategy online")
    ("copy-no-tempdir", "the same")
    ("tempdir", po::value<std::string>()->value_name("DIR"),
     "where to stage the copy (default: beside the destination)")
    ("copy-retry", po::value<std::string>()->value_name("N"),
     "attempts of a copy without a lock (default: 100)")
    ("copy-retry-strict", "fail if no attempt could be proven consistent (default)")
    ("no-copy-retry-strict",
     "after the last attempt publish the copy all the same, verdict 'unproven'")
    ("journal-mode", po::value<std::string>()->value_name("delete|wal|keep"),
     "journal mode of the copy (default: delete, which opens anywhere)")
    ("strict", "refuse a copy that rests on an assumption about what cannot be seen from here")
    ("assume", po::value<std::vector<std::string>>()->composing()->value_name("KIND"),
     "vouch for an assumption, so that strict accepts it: these-files, journals-here, "
     "one-kernel or network-locks; repeatable")
    ("timeout", po::value<std::string>()->value_name("DURATION"),
     "deadline of the whole run, as 90s or 5m, or 'none' (default: none, but no attempt begins "
     "after 10 times the longest one and 60s)")
    ("lock-budget", po::value<std::string>()->value_name("DURATION"),
     "longest that an owner who is waiting may be kept waiting by a lock of ours (default: 1s)")
    ("keep-wal", "deliver main and -wal unmerged")
    ("opaque", "an encrypted database: copy its bytes, main and -wal unmerged")
    ("preserve", "keep owner, times and extended attributes of the source, too")
    ("manifest", po::value<std::string>()->value_name("FILE"),
     "write down what was copied and how, with the SHA-256 of the copy, for 'sqlbk verify'")
    ("plugin", po::value<std::vector<std::string>>()->composing()->value_name("FILE"),
     "load movers and post-steps from this shared library; repeatable; see docs/plugins.md")
    ("force", "replace an existing destination and its sidecars, if nobody has it open")
    ("dry-run", "say what would be done and why, and do nothing")
    ("json", "one JSON object on standard output, errors included")
    ("quiet", "print nothing on success")
    ("debug", "say what is done and why, step by step")
    ("progress", po::value<std::string>()->value_name("auto|always|never"),
     "progress bar on standard error (default: auto, on a terminal)");
  // clang-format on
  return options;
}

void print_help(TextOutput& out) {
  out << "usage: sqlbk copy [options] SOURCE DESTINATION\n\n"
         "Takes a consistent copy of SOURCE, a SQLite database that other programs may be using.\n"
         "DESTINATION is a new file, or a directory. The copy is one file without sidecars, and\n"
         "stands there whole or not at all.\n\n";
  out.own(text_of(copy_options())) << '\n';
  print_exit_codes(out);
}

// A pair of options that say the opposite; nullopt: neither was given.
std::optional<bool> toggle(const po::variables_map& given, const char* yes, const char* no) {
  const bool has_yes = given.count(yes) != 0;
  const bool has_no = given.count(no) != 0;
  if (has_yes && has_no) {
    throw Error(Errc::usage, std::string("--") + yes + " and --" + no + " contradict each other");
  }
  if (!has_yes && !has_no) return std::nullopt;
  return has_yes;
}

std::vector<std::string> split_steps(const std::vector<std::string>& lists) {
  std::vector<std::string> steps;
  for (const std::string& list : lists) {
    std::istringstream words(list + ',');
    for (std::string step; std::getline(words, step, ',');) {
      if (step.empty())
        throw Error(Errc::usage, "--then has an empty step in " + sqlbk::quoted(list));
      steps.push_back(step);
    }
  }
  return steps;
}

unsigned parse_retry(const std::string& text) {
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < 1 || value > 1'000'000) {
    throw Error(Errc::usage, "the value " + sqlbk::quoted(text) +
                                 " of --copy-retry is not a number from 1 "
                                 "to 1000000");
  }
  return static_cast<unsigned>(value);
}

JournalMode parse_journal_mode(const std::string& text) {
  if (text == "delete") return JournalMode::rollback;
  if (text == "wal") return JournalMode::wal;
  if (text == "keep") return JournalMode::keep;
  throw Error(Errc::usage, "the value " + sqlbk::quoted(text) + " of --journal-mode is not known")
      .with_hint("one of: delete, wal, keep");
}

void apply_strategy(const po::variables_map& given, CopyRequest& request) {
  if (given.count("strategy") != 0) request.strategy = given["strategy"].as<std::string>();
  const char* no_tempdir =
      given.count("copy-no-tempdir") != 0 ? "copy-no-tempdir" : "no-copy-use-tempdir";
  if (toggle(given, "copy-use-tempdir", no_tempdir).value_or(true)) return;
  if (given.count("strategy") != 0 && request.strategy != "online") {
    throw Error(Errc::usage, std::string("--") + no_tempdir + " means --strategy online, not " +
                                 sqlbk::quoted(request.strategy));
  }
  request.strategy = "online";
}

void apply_form(const po::variables_map& given, CopyRequest& request) {
  const bool fold = toggle(given, "wal-checkpoint", "no-wal-checkpoint").value_or(true);
  const bool keep = given.count("keep-wal") != 0;
  if (keep && given.count("wal-checkpoint") != 0) {
    throw Error(Errc::usage, "--wal-checkpoint and --keep-wal contradict each other");
  }
  const bool opaque = given.count("opaque") != 0;
  if (opaque && given.count("wal-checkpoint") != 0) {
    throw Error(Errc::usage, "--wal-checkpoint needs to read what --opaque says is encrypted");
  }
  if (opaque && given.count("journal-mode") != 0 &&
      given["journal-mode"].as<std::string>() != "keep") {
    throw Error(Errc::usage,
                "--journal-mode writes into the header, which --opaque says is encrypted");
  }
  const bool unmerged = keep || !fold || opaque;
  if (unmerged) {
    request.copy.form = ImageForm::main_and_wal;
    request.journal_mode = JournalMode::keep;
  }
  if (given.count("journal-mode") != 0) {
    request.journal_mode = parse_journal_mode(given["journal-mode"].as<std::string>());
  }
}

std::string known_assumptions() {
  std::string names;
  for (const AssumptionKind kind : {AssumptionKind::these_files, AssumptionKind::journals_here,
                                    AssumptionKind::one_kernel, AssumptionKind::network_locks}) {
    names += (names.empty() ? "" : ", ") + std::string(to_string(kind));
  }
  return names;
}

void apply_assumptions(const po::variables_map& given, CopyRequest& request) {
  request.copy.allow_assumptions = given.count("strict") == 0;
  if (!request.copy.allow_assumptions && request.copy.allow_unproven) {
    throw Error(Errc::usage, "--strict and --no-copy-retry-strict contradict each other");
  }
  if (given.count("assume") == 0) return;
  for (const std::string& name : given["assume"].as<std::vector<std::string>>()) {
    const std::optional<AssumptionKind> kind = assumption_kind(name);
    if (!kind) {
      throw Error(Errc::usage, "the value " + sqlbk::quoted(name) + " of --assume is not known")
          .with_hint("one of: " + known_assumptions());
    }
    request.copy.assume.push_back(*kind);
  }
}

CopyCommand interpret(const po::variables_map& given) {
  CopyCommand command;
  CopyRequest& request = command.request;
  command.json = given.count("json") != 0;
  command.quiet = given.count("quiet") != 0;
  command.dry_run = given.count("dry-run") != 0;
  const auto operands = given.count("operand") != 0
                            ? given["operand"].as<std::vector<std::string>>()
                            : std::vector<std::string>();
  if (operands.size() != 2) {
    throw Error(Errc::usage, "'sqlbk copy' takes a source and a destination, but " +
                                 std::to_string(operands.size()) +
                                 (operands.size() == 1 ? " was given" : " were given"))
        .with_hint("sqlbk copy [options] SOURCE DESTINATION");
  }
  request.source = operands[0];
  request.destination = operands[1];
  refuse_standard_output("the copy", request.destination);
  apply_strategy(given, request);
  apply_form(given, request);
  if (given.count("then") != 0) {
    request.steps = split_steps(given["then"].as<std::vector<std::string>>());
  }
  if (given.count("manifest") != 0) {
    command.manifest = given["manifest"].as<std::string>();
    const auto is_digest = [](const std::string& step) {
      return step == "digest" || step.starts_with("digest=");
    };
    if (std::ranges::none_of(request.steps, is_digest)) request.steps.emplace_back("digest=report");
  }
  if (given.count("plugin") != 0) {
    command.plugin_files = given["plugin"].as<std::vector<std::string>>();
  }
  if (given.count("tempdir") != 0) request.target.tempdir = given["tempdir"].as<std::string>();
  request.target.force = given.count("force") != 0;
  request.copy.opaque = given.count("opaque") != 0;
  request.target.preserve = given.count("preserve") != 0;
  if (given.count("copy-retry") != 0) {
    request.copy.copy_retry = parse_retry(given["copy-retry"].as<std::string>());
  }
  request.copy.allow_unproven =
      !toggle(given, "copy-retry-strict", "no-copy-retry-strict").value_or(true);
  apply_assumptions(given, request);
  if (given.count("lock-budget") != 0) {
    request.copy.lock_budget =
        parse_duration(given["lock-budget"].as<std::string>(), "lock-budget");
  }
  if (given.count("timeout") != 0) {
    const auto& text = given["timeout"].as<std::string>();
    if (text != "none") command.deadline = Deadline::after(parse_duration(text, "timeout"));
  }
  if (given.count("progress") != 0) {
    command.progress = parse_progress_mode(given["progress"].as<std::string>());
  }
  command.log_level = log_level_asked(given.count("debug") != 0);
  if (command.quiet || command.json) {
    if (given.count("progress") == 0) command.progress = ProgressMode::never;
  }
  return command;
}

nlohmann::json result_json(const Report& report, bool dry_run, int exit_code,
                           nlohmann::json error) {
  nlohmann::json object = to_json(report);
  object["command"] = "copy";
  object["version"] = SQLBK_VERSION;
  object["dry_run"] = dry_run;
  object["exit_code"] = exit_code;
  object["error"] = std::move(error);
  return object;
}

void print_result(const CopyCommand& command, const Report& report) {
  if (command.json) print_json(standard_output(), result_json(report, command.dry_run, 0, nullptr));
  if (command.json) standard_output().flush();
  if (command.json && !command.dry_run && standard_output().failed()) {
    throw Error(Errc::io_error, "the copy stands at " + sqlbk::quoted(report.destination) +
                                    ", but the report cannot be written to standard output")
        .with_hint("look where standard output goes");
  }
  if (!command.json && command.dry_run) {
    TextOutput& out = standard_output();
    out << "would copy " << report.source << " to " << report.destination << '\n';
    for (const std::string& line : report.decisions) out << "  " << line << '\n';
  }
  TextOutput& out = standard_error();
  for (const std::string& warning : report.warnings) out << "warning: " << warning << '\n';
  if (command.quiet || command.dry_run) return;
  for (const Assumption& assumption : report.assumptions) {
    out << "assumed: " << assumption.sentence << '\n';
  }
  out << to_string(report.verdict) << " by " << report.strategy << ": "
      << format_bytes(report.size_bytes + report.wal_size_bytes) << " in "
      << format_duration(report.total_time) << '\n'
      << "Backed up " << report.source << " to " << report.destination << '\n';
}

void write_manifest_of(const CopyCommand& command, const Report& report) {
  try {
    write_manifest(command.manifest, report, command.request.target.force);
  } catch (Error& error) {
    error.add_context("the copy stands at " + sqlbk::quoted(report.destination) +
                      ", but without its manifest");
    throw;
  }
}

void run_command(const CopyCommand& command, const Registry& registry, Report& report) {
  static CancelToken cancel;
  cancel_on_signals(cancel);
  Registry parts = registry;
  static_cast<void>(load_plugins(command.plugin_files, parts));
  Pipeline pipeline = Pipeline::build(command.request, parts);
  if (!command.manifest.empty()) {
    check_manifest_path(command.manifest, command.request);
  }
  Progress progress;
  RunContext context(progress, cancel,
                     {.deadline = command.deadline, .log_sink = make_log_sink(command.log_level)});
  {
    const StopSignals stops(context);
    const ProgressBar bar(progress, command.progress);
    if (command.dry_run) {
      pipeline.plan(context, report);
    } else {
      pipeline.run(context, report);
    }
  }
  if (!command.manifest.empty() && !command.dry_run) write_manifest_of(command, report);
  print_result(command, report);
}

}  // namespace

int run_copy(const std::vector<std::string>& arguments, const Registry& registry) {
  Report report;
  CopyCommand command;
  try {
    const po::variables_map given = parse_arguments(copy_options(), arguments, "copy");
    if (given.count("help") != 0) {
      print_help(standard_output());
      return 0;
    }
    command = interpret(given);
    with_errors_only([&] { run_command(command, registry, report); });
    return 0;
  } catch (Error& error) {
    hint_at_help(error, "copy");
    // Of the manifest, a plug-in and the like.
    if (error.source().empty()) {
      error.with_source(command.request.source).with_destination(command.request.destination);
    }
    if (has_flag(arguments, "--json")) {
      if (!report.is_published) report.verdict = Verdict::none;
      print_json(standard_output(), result_json(report, has_flag(arguments, "--dry-run"),
                                                errc_info(error.code()).exit_code, to_json(error)));
    }
    throw;
  }
}

}  // namespace sqlbk::tool
