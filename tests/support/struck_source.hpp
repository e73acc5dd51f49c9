// A live WAL database that SQLite's WAL-reset bug has struck: made by SQLite, but for the nBackfill
// that the bug's checkpoint stores. Its checkpoint wrote nothing to main here, as where all that it
// found was of the generation before. Failure: std::runtime_error.
#pragma once

#include <cstdint>
#include <string>

#include "remote_sqlite.hpp"
#include "wal_index_file.hpp"

namespace sqlbk::test {

class StruckSource {
 public:
  // Right after the race: 60 rows of `u` are committed in the WAL, and no reader sees them.
  explicit StruckSource(const std::string& path) : path_(path), owner_(path) {
    owner_.run("PRAGMA page_size=1024; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0");
    owner_.run(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v BLOB); CREATE TABLE u(id INTEGER PRIMARY KEY, v "
        "BLOB); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) "
        "INSERT INTO t SELECT i, zeroblob(900) FROM n");
    owner_.run("PRAGMA wal_checkpoint(TRUNCATE)");
    owner_.run("INSERT INTO u SELECT id, zeroblob(900) FROM t WHERE id <= 60");
    reader_.run("BEGIN; SELECT count(*) FROM t");
    lost_frames_ = read_shm(path, kMxFrameOffset);
    backfilled_frames_ = lost_frames_ + kFramesOfFirstCommit;
    write_shm(path, kBackfillOffset, backfilled_frames_);
  }

  // Then another program commits twice on what it sees, and sees the second commit. The WAL cannot
  // be reset meanwhile, because of a reader.
  void write_on() {
    other_.run("PRAGMA wal_autocheckpoint=0");
    other_.run("UPDATE t SET v = zeroblob(901) WHERE id <= " +
               std::to_string(kFramesOfFirstCommit));
    if (mx_frame() != backfilled_frames_) throw std::runtime_error("not as many frames as meant");
    other_.run("INSERT INTO t SELECT id + 5000, zeroblob(900) FROM t WHERE id <= 30");
  }

  RemoteSqlite& owner() noexcept { return owner_; }
  RemoteSqlite& other() noexcept { return other_; }
  RemoteSqlite& reader() noexcept { return reader_; }
  // The last frame that main lacks.
  std::uint32_t lost_frames() const noexcept { return lost_frames_; }
  std::uint32_t backfilled_frames() const noexcept { return backfilled_frames_; }
  std::uint32_t mx_frame() const { return read_shm(path_, kMxFrameOffset); }

 private:
  // Each row has a page of its own.
  static constexpr std::uint32_t kFramesOfFirstCommit = 20;

  std::string path_;
  RemoteSqlite owner_;
  RemoteSqlite other_{path_};
  RemoteSqlite reader_{path_};
  std::uint32_t lost_frames_ = 0;
  std::uint32_t backfilled_frames_ = 0;
};

}  // namespace sqlbk::test
