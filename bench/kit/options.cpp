#include "kit/options.hpp"

#include <charconv>
#include <concepts>
#include <functional>
#include <string_view>
#include <utility>

#include "sqlbk/core/error.hpp"

namespace sqlbk::kit {
namespace {

// Text to value and back, for each type that an option can have.

template <std::unsigned_integral Number>
Number value_of(std::string_view name, std::string_view text, const Number& /*type*/) {
  Number number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{} || end != text.data() + text.size()) {
    throw Error(Errc::usage,
                "--" + std::string(name) + " wants a number, not " + quoted(std::string(text)));
  }
  return number;
}

template <NamedEnum Enum>
Enum value_of(std::string_view name, std::string_view text, const Enum& /*type*/) {
  if (const std::optional<Enum> value = from_string<Enum>(text)) return *value;
  std::string choices;
  for (const std::string_view choice : EnumTexts<Enum>::kValue) {
    choices.append(choices.empty() ? "" : ", ").append(choice);
  }
  throw Error(Errc::usage, "--" + std::string(name) + " wants one of " + choices + ", not " +
                               quoted(std::string(text)));
}

template <typename Rep, typename Period>
std::chrono::duration<Rep, Period> value_of(std::string_view name, std::string_view text,
                                            const std::chrono::duration<Rep, Period>& /*type*/) {
  return std::chrono::duration<Rep, Period>(
      static_cast<Rep>(value_of(name, text, std::uint32_t{})));
}

template <typename Value>
std::optional<Value> value_of(std::string_view name, std::string_view text,
                              const std::optional<Value>& /*type*/) {
  return value_of(name, text, Value{});
}

std::string value_of(std::string_view /*name*/, std::string_view text,
                     const std::string& /*type*/) {
  return std::string(text);
}

std::string text_of(std::unsigned_integral auto number) {
  return std::to_string(number);
}
std::string text_of(NamedEnum auto value) {
  return std::string(to_string(value));
}
template <typename Rep, typename Period>
std::string text_of(const std::chrono::duration<Rep, Period>& duration) {
  return std::to_string(duration.count());
}
template <typename Value>
std::string text_of(const std::optional<Value>& value) {
  return value ? text_of(*value) : std::string();
}
std::string text_of(const std::string& text) {
  return text;
}

struct Option {
  std::string_view name;
  std::string_view value;  // how the help calls it; "": a flag
  std::string_view meaning;
  std::function<void(LiveWriterOptions&, std::string_view)> set;
  std::function<std::string(const LiveWriterOptions&)> get;  // of a flag: "" is off
};

// `member` maps options to the field that the option is about.
template <typename Member>
Option option(std::string_view name, std::string_view value, std::string_view meaning,
              Member member) {
  return {name, value, meaning,
          [name, member](LiveWriterOptions& options, std::string_view text) {
            member(options) = value_of(name, text, member(options));
          },
          [member](const LiveWriterOptions& options) { return text_of(member(options)); }};
}

template <typename Member>
Option flag(std::string_view name, std::string_view meaning, Member member) {
  return {name, "", meaning,
          [member](LiveWriterOptions& options, std::string_view) { member(options) = true; },
          [member](const LiveWriterOptions& options) {
            return std::string(member(options) ? "on" : "");
          }};
}

// The one list of options: parser, formatter and help are made of it.
const std::vector<Option>& option_table() {
#define SQLBK_MEMBER(path) \
  [](auto& o) -> auto& {   \
    return o.path;         \
  }
  static const std::vector<Option> table{
      option("db", "PATH", "the database, which must exist (zero-salt: which must not)",
             SQLBK_MEMBER(database)),
      option("role", "ROLE", "writer, checkpointer, zero-salt", SQLBK_MEMBER(role)),
      option("writer-id", "N", "unique among the writers of a database", SQLBK_MEMBER(writer_id)),
      option("seed", "N", "of the transactions", SQLBK_MEMBER(seed)),
      option("vfs", "NAME", "SQLite's VFS", SQLBK_MEMBER(vfs)),
      option("journal-mode", "MODE", "wal, delete, truncate, persist, memory, off",
             SQLBK_MEMBER(journal_mode)),
      option("locking", "MODE", "normal, exclusive", SQLBK_MEMBER(locking)),
      option("synchronous", "LEVEL", "off, normal, full", SQLBK_MEMBER(synchronous)),
      option("busy-timeout-ms", "N", "SQLite's busy timeout", SQLBK_MEMBER(busy_timeout)),
      option("cache-pages", "N", "SQLite's page cache; a small one spills",
             SQLBK_MEMBER(cache_pages)),
      option("autocheckpoint", "N", "frames, 0 is never; SQLite's default is 1000",
             SQLBK_MEMBER(autocheckpoint_frames)),
      option("journal-size-limit", "N", "bytes", SQLBK_MEMBER(journal_size_limit_bytes)),
      option("chunk-size", "N", "bytes by which the file grows; 0: by pages",
             SQLBK_MEMBER(chunk_bytes)),
      flag("keep-wal", "do not checkpoint when closing", SQLBK_MEMBER(keep_wal)),
      option("rows", "N", "transfers in a transaction, two accounts each",
             SQLBK_MEMBER(transaction.rows)),
      flag("vary-rows", "1 to --rows of them", SQLBK_MEMBER(transaction.vary_rows)),
      flag("savepoints", "roll back to a savepoint in every second transaction",
           SQLBK_MEMBER(transaction.savepoints)),
      flag("rollbacks", "roll back every fourth transaction", SQLBK_MEMBER(transaction.rollbacks)),
      option("log-rows", "N", "rows of log that are kept", SQLBK_MEMBER(transaction.log_rows)),
      option("breathe-every", "N", "transactions after which the file grows or shrinks; 0: never",
             SQLBK_MEMBER(transaction.breathe_every)),
      option("breath-pages", "N", "by how much", SQLBK_MEMBER(transaction.breath_pages)),
      option("pause-us", "N", "between two transactions", SQLBK_MEMBER(pause)),
      option("transactions", "N", "how many; 0: until told to stop", SQLBK_MEMBER(transactions)),
      option("after-last", "WHAT",
             "then: stay with an idle connection, hold an open write transaction, exit",
             SQLBK_MEMBER(after_last)),
      option("checkpoint", "MODE", "none, passive, full, restart, truncate",
             SQLBK_MEMBER(checkpoint)),
      option("checkpoint-every-ms", "N", "between two checkpoints", SQLBK_MEMBER(checkpoint_every)),
      option("variant", "NAME",
             "zero-salt: plain, spilled-before-savepoint, first-of-generation, failed-statement",
             SQLBK_MEMBER(variant)),
      option("status", "FILE", "counters, mapped by whoever watches (status.hpp)",
             SQLBK_MEMBER(status_file)),
      flag("die-with-parent", "be killed when the parent's thread that started it ends",
           SQLBK_MEMBER(die_with_parent)),
      flag("help", "print this", SQLBK_MEMBER(help)),
  };
#undef SQLBK_MEMBER
  return table;
}

// Combinations that would damage the database or wait forever by themselves.
void refuse_nonsense(const LiveWriterOptions& options) {
  if (options.database.empty()) throw Error(Errc::usage, "--db is missing");
  if (options.role == Role::checkpointer && options.checkpoint == CheckpointMode::none) {
    throw Error(Errc::usage, "a checkpointer needs --checkpoint");
  }
  if (options.journal_mode == JournalMode::off &&
      (options.transaction.rollbacks || options.transaction.savepoints)) {
    throw Error(Errc::usage,
                "nothing can be rolled back with --journal-mode off: SQLite would leave a damaged "
                "database");
  }
  if (options.after_last != AfterLast::stay && options.transactions == 0) {
    throw Error(Errc::usage, "--after-last needs --transactions");
  }
}

}  // namespace

LiveWriterOptions parse_live_writer_options(std::span<const std::string> arguments) {
  LiveWriterOptions options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const Option* found = nullptr;
    for (const Option& candidate : option_table()) {
      if (argument == "--" + std::string(candidate.name)) found = &candidate;
    }
    if (found == nullptr) throw Error(Errc::usage, "unknown option " + quoted(argument));
    if (found->value.empty()) {
      found->set(options, {});
    } else if (++i < arguments.size()) {
      found->set(options, arguments[i]);
    } else {
      throw Error(Errc::usage, argument + " wants a value");
    }
  }
  if (!options.help) refuse_nonsense(options);
  return options;
}

std::vector<std::string> format_live_writer_options(const LiveWriterOptions& options) {
  static const LiveWriterOptions defaults;
  std::vector<std::string> arguments;
  for (const Option& option : option_table()) {
    std::string text = option.get(options);
    if (text == option.get(defaults)) continue;
    arguments.push_back("--" + std::string(option.name));
    if (!option.value.empty()) arguments.push_back(std::move(text));
  }
  return arguments;
}

std::string live_writer_help() {
  std::string help =
      "Usage: live-writer --db PATH [options]\n"
      "Owns a database of the workload (workload.hpp) until SIGTERM, or until its standard input\n"
      "ends; prints 'ready' when the first transaction has committed.\n\n";
  for (const Option& option : option_table()) {
    std::string left = "  --" + std::string(option.name) + " " + std::string(option.value);
    left.resize(std::max<std::size_t>(left.size() + 1, 28), ' ');
    help.append(left).append(option.meaning).append("\n");
  }
  return help;
}

}  // namespace sqlbk::kit
