#include "cell.hpp"

#include <chrono>
#include <iostream>

#include "sqlbk/checkpoint/builtin.hpp"
#include "sqlbk/copy/builtin.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/pipeline.hpp"

namespace sqlbk::torture {
namespace {

namespace po = boost::program_options;

template <typename Enum>
Enum parse_enum(const std::string& text, const std::string& option) {
  const std::optional<Enum> value = kit::from_string<Enum>(text);
  if (!value) throw Error(Errc::usage, "the value '" + text + "' of --" + option + " is not known");
  return *value;
}

}  // namespace

std::string Cell::name() const {
  std::string text = strategy + " " + std::string(kit::to_string(journal_mode));
  if (locking == kit::LockingMode::exclusive) text += " exclusive";
  text += " writers=" + std::to_string(writers) + " pause=" + std::to_string(pause.count()) + "us";
  if (checkpoint != kit::CheckpointMode::none) {
    text += " checkpoint=" + std::string(kit::to_string(checkpoint));
  }
  if (savepoints) text += " savepoints";
  if (vary_rows) text += " varying";
  if (holding) text += " holding";
  return text + " size=" + std::to_string(size_mb) + "MiB";
}

Report copy_once(const Cell& cell, const Registry& registry, const std::string& source,
                 const std::string& destination) {
  CopyRequest request;
  request.source = source;
  request.destination = destination;
  request.strategy = cell.strategy;
  Pipeline pipeline = Pipeline::build(std::move(request), registry);
  Progress progress;
  const CancelToken cancel;
  const Deadline deadline = cell.timeout_ms == 0
                                ? Deadline::never()
                                : Deadline::after(std::chrono::milliseconds(cell.timeout_ms));
  RunContext context(progress, cancel, {.deadline = deadline});
  Report report;
  pipeline.run(context, report);
  return report;
}

Registry full_registry() {
  Registry registry;
  copy::register_builtin_strategies(registry);
  checkpoint::register_builtin_steps(registry);
  return registry;
}

std::optional<Cell> parse_cell(int argc, char** argv, const std::string& title,
                               const po::options_description& more) {
  Cell cell;
  std::string journal_mode = "wal";
  std::string locking = "normal";
  std::string checkpoint = "none";
  unsigned checkpoint_every_ms = 200;
  unsigned pause_us = 0;
  po::options_description options(title + "\noptions");
  // clang-format off
  options.add_options()
    ("help", "this text")
    ("strategy", po::value(&cell.strategy), "as in sqlbk copy")
    ("journal-mode", po::value(&journal_mode), "wal, delete, truncate, persist, memory, off")
    ("locking", po::value(&locking), "normal, exclusive")
    ("checkpoint", po::value(&checkpoint), "of a process of its own: none, passive, full, restart, truncate")
    ("checkpoint-every-ms", po::value(&checkpoint_every_ms), "")
    ("writers", po::value(&cell.writers), "processes")
    ("pause-us", po::value(&pause_us), "of a writer between two transactions")
    ("size-mb", po::value(&cell.size_mb), "of the database")
    ("rows", po::value(&cell.rows), "transfers in a transaction")
    ("vary-rows", po::bool_switch(&cell.vary_rows), "1 to --rows of them")
    ("savepoints", po::bool_switch(&cell.savepoints), "partial rollbacks: frames without checksums")
    ("rollbacks", po::bool_switch(&cell.rollbacks), "every fourth transaction is rolled back")
    ("cache-pages", po::value<unsigned>(), "of a writer; few make it spill")
    ("warm-up-resets", po::value(&cell.warm_up_resets), "of the WAL before the first copy")
    ("holding", po::bool_switch(&cell.holding), "writers stop for good inside a spilled transaction")
    ("copies", po::value(&cell.copies), "at most")
    ("seconds", po::value(&cell.seconds), "at most; 0: no limit")
    ("timeout-ms", po::value(&cell.timeout_ms), "deadline of one copy")
    ("seed", po::value(&cell.seed), "of everything random")
    ("good-percent", po::value(&cell.good_percent), "so many copies must succeed; bad ones never may")
    ("keep", po::value(&cell.keep), "directory for bad copies")
    ("directory", po::value(&cell.directory), "where to work (default: $TMPDIR)");
  // clang-format on
  options.add(more);
  po::variables_map given;
  po::store(po::parse_command_line(argc, argv, options), given);
  po::notify(given);
  if (given.count("help") != 0) {
    std::cout << options;
    return std::nullopt;
  }
  if (given.count("cache-pages") != 0) cell.cache_pages = given["cache-pages"].as<unsigned>();
  cell.journal_mode = parse_enum<kit::JournalMode>(journal_mode, "journal-mode");
  cell.locking = parse_enum<kit::LockingMode>(locking, "locking");
  cell.checkpoint = parse_enum<kit::CheckpointMode>(checkpoint, "checkpoint");
  cell.checkpoint_every = std::chrono::milliseconds(checkpoint_every_ms);
  cell.pause = std::chrono::microseconds(pause_us);
  return cell;
}

}  // namespace sqlbk::torture
