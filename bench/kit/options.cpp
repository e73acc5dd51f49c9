#include "kit/options.hpp"

#include <algorithm>
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

// The field that a pointer to a member of either struct means.
template <typename Value>
auto& field(auto& options, Value LiveWriterOptions::*member) {
  return options.*member;
}
template <typename Value>
auto& field(auto& options, Value TransactionOptions::*member) {
  return options.transaction.*member;
}

template <typename Member>
Option option(std::string_view name, std::string_view value, std::string_view meaning,
              Member member) {
  return {name, value, meaning,
          [name, member](LiveWriterOptions& options, std::string_view text) {
            field(options, member) = value_of(name, text, field(options, member));
          },
          [member](const LiveWriterOptions& options) { return text_of(field(options, member)); }};
}

template <typename Member>
Option flag(std::string_view name, std::string_view meaning, Member member) {
  return {name, "", meaning,
          [member](LiveWriterOptions& options, std::string_view) { field(options, member) = true; },
          [member](const LiveWriterOptions& options) {
            return std::string(field(options, member) ? "on" : "");
          }};
}

// The one list of options: parser, formatter and help are made of it.
const std::vector<Option>& option_table() {
  using Owner = LiveWriterOptions;
  using Change = TransactionOptions;
  static const std::vector<Option> table{
      option("db", "PATH", "the database, which must exist (zero-salt: which must not)",
             &Owner::database),
      option("role", "ROLE", "writer, checkpointer, zero-salt, idle", &Owner::role),
      option("writer-id", "N", "unique among the writers of a database", &Owner::writer_id),
      option("seed", "N", "of the transactions", &Owner::seed),
      option("vfs", "NAME", "SQLite's VFS", &Owner::vfs),
      option("journal-mode", "MODE", "wal, delete, truncate, persist, memory, off",
             &Owner::journal_mode),
      option("locking", "MODE", "normal, exclusive", &Owner::locking),
      option("synchronous", "LEVEL", "off, normal, full", &Owner::synchronous),
      option("busy-timeout-ms", "N", "SQLite's busy timeout", &Owner::busy_timeout),
      option("cache-pages", "N", "SQLite's page cache; a small one spills", &Owner::cache_pages),
      option("autocheckpoint", "N", "frames, 0 is never; SQLite's default is 1000",
             &Owner::autocheckpoint_frames),
      option("journal-size-limit", "N", "bytes", &Owner::journal_size_limit_bytes),
      option("chunk-size", "N", "bytes by which the file grows; 0: by pages", &Owner::chunk_bytes),
      flag("keep-wal", "do not checkpoint when closing", &Owner::keep_wal),
      option("rows", "N", "transfers in a transaction, two accounts each", &Change::rows),
      flag("vary-rows", "1 to --rows of them", &Change::vary_rows),
      flag("savepoints", "roll back to a savepoint in every second transaction",
           &Change::savepoints),
      flag("rollbacks", "roll back every fourth transaction", &Change::rollbacks),
      option("log-rows", "N", "rows of log that are kept", &Change::log_rows),
      option("breathe-every", "N", "transactions after which the file grows or shrinks; 0: never",
             &Change::breathe_every),
      option("breath-pages", "N", "by how much", &Change::breath_pages),
      option("pause-us", "N", "between two transactions", &Owner::pause),
      option("transactions", "N", "how many; 0: until told to stop", &Owner::transactions),
      option("after-last", "WHAT",
             "then: stay with an idle connection, hold an open write transaction, exit",
             &Owner::after_last),
      option("checkpoint", "MODE", "none, passive, full, restart, truncate", &Owner::checkpoint),
      option("checkpoint-every-ms", "N", "between two checkpoints", &Owner::checkpoint_every),
      option("variant", "NAME",
             "zero-salt: plain, spilled-before-savepoint, first-of-generation, failed-statement",
             &Owner::variant),
      option("status", "FILE", "counters, mapped by whoever watches (status.hpp)",
             &Owner::status_file),
      flag("die-with-parent", "be killed when the parent's thread that started it ends",
           &Owner::die_with_parent),
      flag("help", "print this", &Owner::help),
  };
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
