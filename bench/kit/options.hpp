// The command line of the live-writer, as a struct that both sides share: the program parses it,
// WriterProcess formats it. Thread-safety: values and pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kit/modes.hpp"
#include "kit/workload.hpp"

namespace sqlbk::kit {

struct LiveWriterOptions {
  std::string database;
  Role role = Role::writer;
  std::uint64_t writer_id = 1;
  std::uint64_t seed = 1;

  // The connection. What is not set is left as SQLite has it.
  std::string vfs;
  JournalMode journal_mode = JournalMode::wal;
  LockingMode locking = LockingMode::normal;
  Synchronous synchronous = Synchronous::normal;
  std::chrono::milliseconds busy_timeout{10'000};
  std::optional<std::uint32_t> cache_pages;            // small: spills
  std::optional<std::uint32_t> autocheckpoint_frames;  // SQLite's default is 1000, 0 is never
  std::optional<std::uint64_t> journal_size_limit_bytes;
  std::uint32_t chunk_bytes = 0;  // the file grows by such steps, as Chromium's do; 0: by pages
  bool keep_wal = false;          // no checkpoint when the connection is closed

  // The transactions.
  TransactionOptions transaction;
  std::chrono::microseconds pause{0};  // between two transactions
  std::uint64_t transactions = 0;      // 0: until it is told to stop
  AfterLast after_last = AfterLast::stay;

  // Checkpoints beside SQLite's own: from the writer's connection between two transactions, or, in
  // the role checkpointer, from one of their own.
  CheckpointMode checkpoint = CheckpointMode::none;
  std::chrono::milliseconds checkpoint_every{100};

  ZeroSaltVariant variant = ZeroSaltVariant::plain;

  std::string status_file;
  bool die_with_parent = false;  // SIGKILL when the parent's thread that started it ends
  bool help = false;
};

// `arguments` without the program's name. Throws Error usage.
LiveWriterOptions parse_live_writer_options(std::span<const std::string> arguments);
// What parse_live_writer_options() makes `options` of again.
std::vector<std::string> format_live_writer_options(const LiveWriterOptions& options);
std::string live_writer_help();

}  // namespace sqlbk::kit
