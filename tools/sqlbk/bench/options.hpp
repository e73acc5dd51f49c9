// What `sqlbk bench` is asked to do. Thread-safety: plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kit/modes.hpp"

namespace sqlbk::tool::bench {

struct Options {
  std::string command;   // that repeats the run
  std::string database;  // a private copy of it is measured; "": generated ones
  std::uint64_t seed = 1;
  std::string directory;  // to work in; "": $TMPDIR

  // The tools: their names, or "all" or "none". Not set: the default.
  std::optional<std::vector<std::string>> strategies;
  std::optional<std::vector<std::string>> peers;
  std::optional<std::chrono::milliseconds> deadline;  // of one copy; not set: by the size

  // Databases at rest.
  unsigned repeat = 5;  // runs of each tool; 0: leave this part out
  std::vector<std::uint32_t> sizes_mb{1024};
  std::optional<std::uint32_t> wal_mb;  // not set: a quarter of the size
  std::uint32_t page_size = 4096;

  // Live databases.
  std::chrono::milliseconds live_time{5000};        // of each tool and load; 0: leave this part out
  std::chrono::milliseconds live_patience{10'000};  // without a deadline: this and 50 ms a MiB
  std::uint32_t live_size_mb = 20;
  std::vector<kit::JournalMode> journal_modes{kit::JournalMode::wal, kit::JournalMode::delete_file};
  std::vector<kit::LockingMode> lockings{kit::LockingMode::normal, kit::LockingMode::exclusive};
  kit::CheckpointMode checkpoint = kit::CheckpointMode::none;
  unsigned writers = 1;
  unsigned rows = 8;                               // of a transaction
  std::optional<std::chrono::microseconds> pause;  // not set: by the load
};

}  // namespace sqlbk::tool::bench
