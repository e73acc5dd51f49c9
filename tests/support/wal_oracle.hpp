// What SQLite itself makes of a main file and a WAL. For tests. Failure: std::runtime_error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <sqlite3.h>

#include "database.hpp"
#include "files.hpp"
#include "kit/temporary_directory.hpp"
#include "wal_files.hpp"

namespace sqlbk::test {

struct Outcome {
  int sqlite_code = SQLITE_OK;
  std::uint64_t frames = 0;  // K, by SQLite's count
  Buffer main;
};

// SQLite recovers the WAL beside `path` and checkpoints it as a whole; `main` is left empty.
inline Outcome checkpoint_by_sqlite(const std::string& path) {
  Outcome outcome;
  Database database(path);
  database.leave_wal();
  outcome.sqlite_code = database.try_run("PRAGMA synchronous=OFF; PRAGMA schema_version");
  // A first one counts the frames: afterwards TRUNCATE says that there are none.
  for (const int mode : {SQLITE_CHECKPOINT_PASSIVE, SQLITE_CHECKPOINT_TRUNCATE}) {
    if (outcome.sqlite_code != SQLITE_OK) break;
    int frames = 0;
    outcome.sqlite_code =
        sqlite3_wal_checkpoint_v2(database.handle(), nullptr, mode, &frames, nullptr);
    if (mode == SQLITE_CHECKPOINT_PASSIVE && frames > 0) {
      outcome.frames = static_cast<std::uint64_t>(frames);
    }
  }
  return outcome;
}

// The same with files of its own.
inline Outcome checkpointed_by_sqlite(const Files& files,
                                      const kit::TemporaryDirectory& directory) {
  const std::string path = directory.file("theirs.db");
  write_file(path, files.main);
  write_file(path + "-wal", files.wal);
  Outcome outcome = checkpoint_by_sqlite(path);
  outcome.main = read_file(path);
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
  return outcome;
}

}  // namespace sqlbk::test
