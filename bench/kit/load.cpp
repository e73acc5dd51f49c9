#include "kit/load.hpp"

#include <array>
#include <fstream>
#include <thread>

#include "sqlbk/core/error.hpp"
#include "sqlbk/format/wal.hpp"

namespace sqlbk::kit {
namespace {

// nullopt: there is no whole WAL header at this moment.
std::optional<std::uint32_t> wal_salt1(const std::string& database) {
  std::array<char, format::kWalHeaderSizeBytes> bytes{};
  std::ifstream file(database + "-wal", std::ios::binary);
  if (!file.read(bytes.data(), bytes.size())) return std::nullopt;
  const format::ParsedWalHeader header = format::parse_wal_header(std::as_bytes(std::span(bytes)));
  if (!header) return std::nullopt;
  return header->salt.salt1;
}

LiveWriterOptions writer_options(const Load& load, const std::string& database, unsigned number) {
  LiveWriterOptions options;
  options.database = database;
  options.writer_id = number;
  options.seed = load.seed * 1000 + number;
  options.journal_mode = load.journal_mode;
  options.locking = load.locking;
  options.pause = load.pause;
  options.transaction.rows = load.rows;
  options.transaction.vary_rows = load.vary_rows;
  options.transaction.savepoints = load.savepoints;
  options.transaction.rollbacks = load.rollbacks;
  if (load.cache_pages) options.cache_pages = *load.cache_pages;
  if (load.holding) {
    options.cache_pages = 10;
    options.transaction.rows = 100;
    options.transactions = 20;
    options.after_last = AfterLast::hold;
  }
  return options;
}

}  // namespace

std::vector<WriterProcess> start_owners(const Load& load, const std::string& database,
                                        const Launch& launch) {
  std::vector<WriterProcess> owners;
  for (unsigned i = 1; i <= load.writers; ++i) {
    owners.emplace_back(writer_options(load, database, i), launch);
  }
  if (load.checkpoint != CheckpointMode::none) {
    LiveWriterOptions options;
    options.database = database;
    options.role = Role::checkpointer;
    options.writer_id = load.writers + 1;
    options.checkpoint = load.checkpoint;
    options.checkpoint_every = load.checkpoint_every;
    owners.emplace_back(options, launch);
  }
  return owners;
}

void warm_up(const Load& load, const std::string& database,
             std::span<const WriterProcess> writers) {
  constexpr auto kPatience = std::chrono::minutes(2);
  if (load.holding) {
    for (const WriterProcess& writer : writers) {
      writer.wait_for_state(WriterState::holding, kPatience);
    }
  }
  if (load.warm_up_resets == 0) return;
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  std::optional<std::uint32_t> first;
  while (true) {
    // salt-1 counts the resets.
    if (const std::optional<std::uint32_t> salt1 = wal_salt1(database)) {
      if (!first) first = salt1;
      if (*salt1 - *first >= load.warm_up_resets) return;
    }
    if (std::chrono::steady_clock::now() > give_up) {
      throw Error(Errc::deadline_exceeded, "the WAL of " + quoted(database) + " is not reset");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace sqlbk::kit
