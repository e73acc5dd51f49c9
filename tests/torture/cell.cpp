#include "cell.hpp"

#include <algorithm>
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
  text += " writers=" + std::to_string(writers) + " pause=" + std::to_string(pause_us) + "us";
  if (checkpoint != kit::CheckpointMode::none) {
    text += " checkpoint=" + std::string(kit::to_string(checkpoint));
  }
  if (savepoints) text += " savepoints";
  return text + " size=" + std::to_string(size_mb) + "MiB";
}

std::vector<kit::WriterProcess> start_owners(const Cell& cell, const std::string& source) {
  std::vector<kit::WriterProcess> owners;
  for (unsigned i = 1; i <= cell.writers; ++i) {
    kit::LiveWriterOptions options;
    options.database = source;
    options.writer_id = i;
    options.seed = cell.seed * 1000 + i;
    options.journal_mode = cell.journal_mode;
    options.locking = cell.locking;
    options.pause = std::chrono::microseconds(cell.pause_us);
    options.transaction.rows = cell.rows;
    options.transaction.vary_rows = cell.vary_rows;
    options.transaction.savepoints = cell.savepoints;
    options.transaction.rollbacks = cell.rollbacks;
    if (cell.cache_pages) options.cache_pages = *cell.cache_pages;
    owners.emplace_back(options);
  }
  if (cell.checkpoint != kit::CheckpointMode::none) {
    kit::LiveWriterOptions options;
    options.database = source;
    options.role = kit::Role::checkpointer;
    options.writer_id = cell.writers + 1;
    options.checkpoint = cell.checkpoint;
    options.checkpoint_every = std::chrono::milliseconds(cell.checkpoint_every_ms);
    owners.emplace_back(options);
  }
  return owners;
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
  RunContext context(progress, cancel);
  if (cell.timeout_ms != 0) {
    context.deadline = Deadline::after(std::chrono::milliseconds(cell.timeout_ms));
  }
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
  po::options_description options(title + "\noptions");
  // clang-format off
  options.add_options()
    ("help", "this text")
    ("strategy", po::value(&cell.strategy), "as in sqlbk copy")
    ("journal-mode", po::value(&journal_mode), "wal, delete, truncate, persist, memory, off")
    ("locking", po::value(&locking), "normal, exclusive")
    ("checkpoint", po::value(&checkpoint), "of a process of its own: none, passive, full, restart, truncate")
    ("checkpoint-every-ms", po::value(&cell.checkpoint_every_ms), "")
    ("writers", po::value(&cell.writers), "processes")
    ("pause-us", po::value(&cell.pause_us), "of a writer between two transactions")
    ("size-mb", po::value(&cell.size_mb), "of the database")
    ("rows", po::value(&cell.rows), "transfers in a transaction")
    ("vary-rows", po::bool_switch(&cell.vary_rows), "1 to --rows of them")
    ("savepoints", po::bool_switch(&cell.savepoints), "partial rollbacks: frames without checksums")
    ("rollbacks", po::bool_switch(&cell.rollbacks), "every fourth transaction is rolled back")
    ("cache-pages", po::value<unsigned>(), "of a writer; few make it spill")
    ("copies", po::value(&cell.copies), "at most")
    ("seconds", po::value(&cell.seconds), "at most; 0: no limit")
    ("timeout-ms", po::value(&cell.timeout_ms), "deadline of one copy")
    ("seed", po::value(&cell.seed), "of everything random")
    ("may-refuse", po::bool_switch(&cell.may_refuse), "refused copies are no failure")
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
  return cell;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace sqlbk::torture
