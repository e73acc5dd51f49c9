// What stands in a WAL behind the frames that count, and whether it once counted.
//
// SQLite reads a WAL up to the first frame whose checksum is wrong: a flipped byte silently takes
// all commits from there on away. It can be told from an unfinished write: a frame's checksum
// continues the one that its predecessor *stores*, so frames behind the bad one still fit one to
// the other. Where such a run holds a commit, it had been committed with all before it.
//
// Only for a WAL that nobody writes meanwhile. Thread-safety: any thread. Failure: Error.
#pragma once

#include <cstdint>
#include <string>

#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/wal_scan.hpp"

namespace sqlbk {

// The frame of the last commit that damage cuts off behind `scan.valid_frames`; 0: there is none.
// REQUIRES: scan.header.
std::uint64_t last_commit_cut_off(int wal_fd, const std::string& path, const WalScan& scan,
                                  RunContext& context);

// The same where the WAL's header is not valid, which takes the whole WAL away.
std::uint64_t last_commit_without_header(int wal_fd, const std::string& path,
                                         std::uint32_t page_size_bytes, RunContext& context);

}  // namespace sqlbk
