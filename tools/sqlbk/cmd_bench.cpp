// The options of `sqlbk bench`, and what is printed; bench/ does the work.
#include <cmath>
#include <cstdlib>
#include <span>
#include <sstream>

#include <boost/program_options.hpp>
#include <nlohmann/json.hpp>

#include "bench/bench.hpp"
#include "bench/json.hpp"
#include "bench/page.hpp"
#include "bench/table.hpp"
#include "command.hpp"
#include "common_options.hpp"
#include "json_output.hpp"
#include "print.hpp"
#include "signals.hpp"
#include "sqlbk/core/error.hpp"
#include "text_file.hpp"
#include "unexpected.hpp"

namespace sqlbk::tool {
namespace {

namespace po = boost::program_options;
using namespace std::chrono_literals;

constexpr const char* kPage = "the page";
constexpr std::uint32_t kMostMiB = 1U << 24U;  // 16 TiB

po::options_description bench_options() {
  po::options_description options("options");
  const auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  // clang-format off
  options.add_options()
    ("help,h", "this text")
    ("quick", "a few seconds of everything on small databases, under a minute in all")
    ("strategies", text("LIST"),
     "of sqlbk, as in 'sqlbk list'; all; none (default: those without '+')")
    ("peers", text("LIST"),
     "cp, cp-reflink, backup, vacuum, sqlite3_rsync, sqlite_backup; all; none (default: all)")
    ("deadline", text("DURATION"),
     "of one copy (default: by the size of the database)")
    ("repeat", text("N"),
     "runs of each tool on each database at rest; 0: leave this part out (default: 5)")
    ("size", text("SIZE[,SIZE...]"), "of the databases at rest, as 10M,100M,1G (default: 1G)")
    ("wal", text("SIZE"), "of their WAL (default: a quarter of the database)")
    ("page-size", text("BYTES"), "of all databases (default: 4096)")
    ("live-seconds", text("DURATION"),
     "for each tool and load on a live database; 0: leave this part out (default: 5)")
    ("live-size", text("SIZE"), "of the live databases (default: 20M)")
    ("journal-mode", text("LIST"),
     "loads: wal, delete, truncate, persist, memory, off (default: wal,delete)")
    ("locking", text("LIST"), "loads: normal, exclusive (default: both)")
    ("checkpoint", text("MODE"),
     "by a process of its own: none, passive, full, restart, truncate (default: none)")
    ("writers", text("N"), "processes; in exclusive mode always one (default: 1)")
    ("rows-per-txn", text("N"), "transfers in a transaction; each changes two rows (default: 8)")
    ("pause", text("DURATION"),
     "between two transactions, in microseconds or with a unit (default: by the load)")
    ("directory", text("DIR"), "where to work (default: $TMPDIR)")
    ("seed", text("N"), "of everything random (default: 1)")
    ("html", text("FILE"), "the results as one page to look at, to print and to pass on")
    ("json", "the results as one JSON object on standard output, errors included");
  // clang-format on
  return options;
}

void print_help(TextOutput& out) {
  out << "usage: sqlbk bench [options] [DATABASE]\n\n"
         "Measures copies by sqlbk beside those by other tools: their time on databases at rest,\n"
         "and under live writers whether each copy is good, and what the writers notice. Works on\n"
         "databases of its own, or on a private copy of DATABASE, which is never written to.\n\n";
  out.own(text_of(bench_options())) << '\n';
  print_exit_codes(out);
}

std::vector<std::string> split(const std::string& list, const std::string& option) {
  std::vector<std::string> words;
  std::istringstream in(list + ',');
  for (std::string word; std::getline(in, word, ',');) {
    if (word.empty()) {
      throw Error(Errc::usage, "--" + option + " has an empty entry in " + sqlbk::quoted(list));
    }
    words.push_back(word);
  }
  return words;
}

// A typed look at what was given.
class Given {
 public:
  explicit Given(const po::variables_map& given) : given_(given) {}

  bool has(const char* name) const { return given_.count(name) != 0; }
  const std::string& text(const char* name) const { return given_[name].as<std::string>(); }
  std::vector<std::string> list(const char* name) const { return split(text(name), name); }

  void number(const char* name, unsigned lowest, unsigned highest, unsigned& value) const {
    if (!has(name)) return;
    char* end = nullptr;
    const long long found = std::strtoll(text(name).c_str(), &end, 10);
    if (text(name).empty() || *end != '\0' || found < lowest || found > highest) {
      throw Error(Errc::usage, "the value " + sqlbk::quoted(text(name)) + " of --" + name +
                                   " is not a number from " + std::to_string(lowest) + " to " +
                                   std::to_string(highest));
    }
    value = static_cast<unsigned>(found);
  }

  template <typename Enum>
  Enum word(const char* name, const std::string& given) const {
    if (const std::optional<Enum> value = kit::from_string<Enum>(given)) return *value;
    std::string known;
    for (const std::string_view choice : kit::EnumTexts<Enum>::kValue) {
      known.append(known.empty() ? "" : ", ").append(choice);
    }
    throw Error(Errc::usage,
                "the value " + sqlbk::quoted(given) + " of --" + name + " is not known")
        .with_hint("one of: " + known);
  }
  template <typename Enum>
  void words(const char* name, std::vector<Enum>& values) const {
    if (!has(name)) return;
    values.clear();
    for (const std::string& given : list(name)) values.push_back(word<Enum>(name, given));
  }

 private:
  const po::variables_map& given_;
};

std::uint32_t parse_mebibytes(const std::string& text, const std::string& option,
                              std::uint32_t lowest) {
  const std::uint64_t bytes = parse_bytes(text, option);
  const std::uint64_t mebibytes = bytes >> 20U;
  if (mebibytes << 20U != bytes || mebibytes < lowest || mebibytes > kMostMiB) {
    throw Error(Errc::usage, "the value " + sqlbk::quoted(text) + " of --" + option +
                                 " is not a whole number of MiB from " + std::to_string(lowest) +
                                 "M to 16T")
        .with_hint("a number and a unit, as 10M or 1G");
  }
  return static_cast<std::uint32_t>(mebibytes);
}

void apply_quick(bench::Options& options) {
  options.strategies = {"auto", "snapshot", "lock", "retry-verify", "follow", "online", "range"};
  options.repeat = 1;
  options.sizes_mb = {8};
  options.live_size_mb = 4;
  options.live_time = 300ms;
  options.live_patience = 1s;
}

void apply_sizes(const Given& given, bench::Options& options) {
  given.number("repeat", 0, 10'000, options.repeat);
  if (given.has("size")) {
    options.sizes_mb.clear();
    for (const std::string& size : given.list("size")) {
      options.sizes_mb.push_back(parse_mebibytes(size, "size", 1));
    }
  }
  if (given.has("wal")) options.wal_mb = parse_mebibytes(given.text("wal"), "wal", 0);
  if (given.has("page-size")) {
    const std::uint64_t bytes = parse_bytes(given.text("page-size"), "page-size");
    if (bytes < 512 || bytes > 65536 || (bytes & (bytes - 1)) != 0) {
      throw Error(Errc::usage, "the value " + sqlbk::quoted(given.text("page-size")) +
                                   " of --page-size is not a power of two from 512 to 65536");
    }
    options.page_size = static_cast<std::uint32_t>(bytes);
  }
}

void apply_live(const Given& given, bench::Options& options) {
  if (given.has("live-seconds")) {
    options.live_time = parse_duration(given.text("live-seconds"), "live-seconds");
  }
  if (given.has("live-size")) {
    options.live_size_mb = parse_mebibytes(given.text("live-size"), "live-size", 1);
  }
  given.words("journal-mode", options.journal_modes);
  given.words("locking", options.lockings);
  if (given.has("checkpoint")) {
    options.checkpoint = given.word<kit::CheckpointMode>("checkpoint", given.text("checkpoint"));
  }
  given.number("writers", 1, 64, options.writers);
  given.number("rows-per-txn", 1, 1'000'000, options.rows);
  if (given.has("pause")) options.pause = parse_short_duration(given.text("pause"), "pause");
}

// As a shell reads it.
std::string shell_word(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+,./:@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::string repeat_with(const std::vector<std::string>& arguments) {
  std::string command = "sqlbk bench";
  for (const std::string& argument : arguments) command += ' ' + shell_word(argument);
  return command;
}

bench::Options interpret(const po::variables_map& map, const std::vector<std::string>& arguments) {
  const Given given(map);
  bench::Options options;
  options.command = repeat_with(arguments);
  if (given.has("quick")) apply_quick(options);
  if (given.has("operand")) {
    const auto operands = map["operand"].as<std::vector<std::string>>();
    if (operands.size() > 1) {
      throw Error(Errc::usage, "'sqlbk bench' takes one database at most, but " +
                                   std::to_string(operands.size()) + " were given")
          .with_hint("sqlbk bench [options] [DATABASE]");
    }
    options.database = operands[0];
    for (const char* name : {"size", "wal", "page-size", "live-size"}) {
      if (!given.has(name)) continue;
      throw Error(Errc::usage, std::string("--") + name +
                                   " is for databases that the benchmark makes, but one was given")
          .with_hint("leave out one of them");
    }
  }
  if (given.has("strategies")) options.strategies = given.list("strategies");
  if (given.has("peers")) options.peers = given.list("peers");
  if (given.has("deadline")) {
    options.deadline = parse_duration(given.text("deadline"), "deadline");
    if (options.deadline->count() == 0) {
      throw Error(Errc::usage, "no copy can be made within a --deadline of 0");
    }
  }
  apply_sizes(given, options);
  apply_live(given, options);
  if (options.repeat == 0 && options.live_time.count() == 0) {
    throw Error(Errc::usage, "with --repeat 0 and --live-seconds 0 there is nothing to measure")
        .with_hint("leave out one of them");
  }
  if (given.has("directory")) options.directory = given.text("directory");
  unsigned seed = 1;
  given.number("seed", 0, 1'000'000'000, seed);
  options.seed = seed;
  return options;
}

nlohmann::json result_json(const bench::Results& results, int exit_code, nlohmann::json error) {
  nlohmann::json object = bench::to_json(results);
  object["command"] = "bench";
  object["version"] = SQLBK_VERSION;
  object["exit_code"] = exit_code;
  object["error"] = std::move(error);
  return object;
}

int run_command(const bench::Options& options, const Registry& registry, const std::string& html,
                bool json) {
  if (!html.empty()) {
    const std::size_t given = options.database.empty() ? 0 : 1;
    check_text_file(kPage, html, Existing::replace, std::span(&options.database, given));
  }
  static CancelToken cancel;
  cancel_on_signals(cancel);
  const bench::Results results = bench::run_benchmark(options, registry, cancel);
  const std::string broken = bench::broken_promises(results);
  const Error damage =
      Error(Errc::damaged, "copies by sqlbk were torn, stale or unreadable: " + broken)
          .with_hint("this is a fault of sqlbk; please report it with what was printed");
  if (!html.empty()) write_text_file(kPage, html, bench::render_page(results), Existing::replace);
  const int exit_code = broken.empty() ? 0 : errc_info(damage.code()).exit_code;
  if (json) {
    print_json(standard_output(),
               result_json(results, exit_code,
                           broken.empty() ? nlohmann::json(nullptr) : to_json(damage)));
  } else {
    bench::print_table(standard_output(), results);
  }
  if (!broken.empty()) print_error(standard_error(), damage);
  return exit_code;
}

}  // namespace

int run_bench(const std::vector<std::string>& arguments, const Registry& registry) {
  const bool json = has_flag(arguments, "--json");
  try {
    const po::variables_map given = parse_arguments(bench_options(), arguments, "bench");
    if (given.count("help") != 0) {
      print_help(standard_output());
      return 0;
    }
    const std::string html = given.count("html") != 0 ? given["html"].as<std::string>() : "";
    const bench::Options options = interpret(given, arguments);
    return with_errors_only([&] { return run_command(options, registry, html, json); });
  } catch (Error& error) {
    hint_at_help(error, "bench");
    if (json) {
      print_json(standard_output(),
                 result_json({}, errc_info(error.code()).exit_code, to_json(error)));
    }
    throw;
  }
}

}  // namespace sqlbk::tool
