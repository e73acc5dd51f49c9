// What owners do to a database while it is copied: the one description that torture and `sqlbk
// bench` share. Thread-safety: values; the functions from one thread. Failure: throws Error.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kit/modes.hpp"
#include "kit/writer_process.hpp"

namespace sqlbk::kit {

struct Load {
  JournalMode journal_mode = JournalMode::wal;
  LockingMode locking = LockingMode::normal;
  CheckpointMode checkpoint = CheckpointMode::none;  // of a process of its own
  std::chrono::milliseconds checkpoint_every{200};
  unsigned writers = 1;
  std::chrono::microseconds pause{0};  // of a writer between two transactions
  unsigned rows = 8;                   // transfers in a transaction
  bool vary_rows = false;              // 1 to `rows` of them
  bool savepoints = false;
  bool rollbacks = false;
  std::optional<unsigned> cache_pages;  // of a writer; few make it spill
  unsigned warm_up_resets = 0;          // of the WAL, before the first copy
  bool holding = false;  // writers stop for good inside a transaction that has spilled
  std::uint64_t seed = 1;
};

// The writers, then the checkpointer if the load has one.
std::vector<WriterProcess> start_owners(const Load& load, const std::string& database,
                                        const Launch& launch = {});

// Until the WAL was reset so often, or the writers hold. Throws Error after two minutes.
void warm_up(const Load& load, const std::string& database, std::span<const WriterProcess> writers);

}  // namespace sqlbk::kit
