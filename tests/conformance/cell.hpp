// One cell of the conformance table: a source in one journal mode, under one kind of owner.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "kit/checker.hpp"
#include "kit/temporary_directory.hpp"
#include "kit/writer_process.hpp"
#include "sqlbk/core/copy_strategy.hpp"
#include "sqlbk/core/source.hpp"

namespace sqlbk::test {

enum class Situation {
  at_rest,  // the owner has closed it
  crashed,  // the owner was killed in the middle of a transaction
  idle,     // the owner has it open and does nothing
  writing,  // the owner commits all the time
};

struct Cell {
  kit::JournalMode mode = kit::JournalMode::wal;
  kit::LockingMode locking = kit::LockingMode::normal;
  std::uint32_t page_size = 4096;
  Situation situation = Situation::at_rest;

  std::string name() const;
  friend void PrintTo(const Cell& cell, std::ostream* out) { *out << cell.name(); }
  bool is_wal() const noexcept { return mode == kit::JournalMode::wal; }
  // The journal is a file, so that a transaction under way can be seen.
  bool keeps_journal() const noexcept {
    return mode != kit::JournalMode::memory && mode != kit::JournalMode::off;
  }
  bool has_owner() const noexcept {
    return situation == Situation::idle || situation == Situation::writing;
  }
  // The owner keeps everybody out for as long as it lives.
  bool is_owned_exclusively() const noexcept {
    return has_owner() && locking == kit::LockingMode::exclusive;
  }
};

// Every cell but those of crashed owners without a journal: their database may be damaged.
std::vector<Cell> all_cells();

// The source of a cell, with its owner.
class CellSource {
 public:
  explicit CellSource(const Cell& cell);

  const std::string& path() const noexcept { return path_; }
  // What is committed for certain now.
  std::vector<kit::Committed> floor() const;
  // Lets the owner end; fails the test if the copies gave it errors, or if the source is damaged.
  void finish();

 private:
  Cell cell_;
  kit::TemporaryDirectory directory_;
  std::string path_;
  std::optional<kit::WriterProcess> owner_;
  std::vector<kit::Committed> committed_;
};

// What a strategy must do in a cell.
enum class Duty { succeed, refuse, either };

// `is_default`: the strategy that a request has when none was asked for. `suitable`: its own
// probe() of the source.
Duty duty_of(const StrategyTraits& traits, bool is_default, bool suitable, const Cell& cell);
// Verdicts that such a strategy may deliver, unless it was told to deliver anything.
bool may_deliver(const StrategyTraits& traits, Verdict verdict);

// A file system in memory, if there is one, so that syncing costs nothing; else "", that is
// $TMPDIR.
std::string scratch_parent();
// The usual page size is tested on the file system of $TMPDIR, the others there.
std::string scratch_parent(const Cell& cell);

}  // namespace sqlbk::test
