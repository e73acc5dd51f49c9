// Databases at rest, of any size and quickly made: the workload's tables (so that checker.hpp can
// check every copy), on request more tables with indexes, and a WAL that nobody has checkpointed,
// as a killed owner leaves it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kit/checker.hpp"
#include "kit/workload.hpp"

namespace sqlbk::kit {

struct CorpusOptions {
  DatabaseOptions database;        // size_mb: of the main file, all tables together
  std::uint32_t extra_tables = 0;  // they share the file equally with the workload's
  bool indexes = false;            // one on each of them
  std::uint32_t wal_mb = 0;        // MiB, at least; 0: no -wal and no -shm are left
};

struct Corpus {
  std::string path;
  std::uint64_t main_bytes = 0;
  std::uint64_t wal_bytes = 0;
  std::vector<Committed> committed;  // the floor of every copy of it; empty without a WAL
};

// Makes `path` and, with wal_mb, `path`-wal and -shm. Deterministic by the options, but for the
// salts of the WAL. Nothing is synced. Throws Error.
Corpus make_corpus(const std::string& path, const CorpusOptions& options);

}  // namespace sqlbk::kit
