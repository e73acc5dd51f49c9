// One cell of a torture: what writes to the source, and what copies it. Shared by torture and
// undisturbed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <boost/program_options.hpp>

#include "kit/modes.hpp"
#include "kit/writer_process.hpp"
#include "sqlbk/core/registry.hpp"
#include "sqlbk/core/report.hpp"

namespace sqlbk::torture {

struct Cell {
  std::string strategy = "auto";
  kit::JournalMode journal_mode = kit::JournalMode::wal;
  kit::LockingMode locking = kit::LockingMode::normal;
  kit::CheckpointMode checkpoint = kit::CheckpointMode::none;
  unsigned checkpoint_every_ms = 200;
  unsigned writers = 1;
  unsigned pause_us = 0;
  unsigned size_mb = 20;
  unsigned rows = 8;
  bool vary_rows = false;
  bool savepoints = false;
  bool rollbacks = false;
  std::optional<unsigned> cache_pages;
  unsigned warm_up_resets = 0;  // of the WAL, before the first copy
  bool holding = false;         // writers stop for good inside a transaction that has spilled
  unsigned copies = 50;
  double seconds = 0;       // 0: no limit but the copies
  unsigned timeout_ms = 0;  // of one copy; 0: adaptive
  std::uint64_t seed = 1;
  unsigned good_percent = 100;  // fewer good copies are a failure; the rest may be refused
  std::string keep;
  std::string directory;

  std::string name() const;
};

// The writers, then the checkpointer if the cell has one.
std::vector<kit::WriterProcess> start_owners(const Cell& cell, const std::string& source);

// Until the WAL was reset so often, or the writers hold. Throws Error after two minutes.
void warm_up(const Cell& cell, const std::string& source,
             std::span<const kit::WriterProcess> writers);

// Copies as the cell says. Throws Error where there is no copy.
Report copy_once(const Cell& cell, const Registry& registry, const std::string& source,
                 const std::string& destination);

// Everything that can be copied with.
Registry full_registry();

// The command line; nullopt: help was asked for, and printed. `more` are a program's own options.
std::optional<Cell> parse_cell(int argc, char** argv, const std::string& title,
                               const boost::program_options::options_description& more);

double median(std::vector<double> values);

}  // namespace sqlbk::torture
