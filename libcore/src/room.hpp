// Whether a copy fits where it is to be made. Private to libcore.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sqlbk/core/copy_strategy.hpp"
#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/source.hpp"

namespace sqlbk {

// Throws no_space where the file system of `directory` cannot take so much more.
void require_room(const std::string& directory, std::uint64_t bytes);

// Before a copy is made: the least that it takes, as far as that is known without an attempt. What
// takes longer to find out (how large the last commit made main, whether blocks can be shared) is
// asked only where the file system is nearly full.
class CopyRoom {
 public:
  // REQUIRES: the references outlive it.
  CopyRoom(LiveFiles& files, const SourceFacts& facts, const StrategyTraits& traits, ImageForm form,
           RunContext& context)
      : files_(files), facts_(facts), traits_(traits), form_(form), context_(context) {}

  // Throws no_space; and destination_unusable where this process may not make so large a file
  // (RLIMIT_FSIZE): it would be ended by SIGXFSZ.
  void require_staged_in(const std::string& directory);
  // Throws no_space. For a copy that comes from another file system.
  void require_published_in(const std::string& directory);

 private:
  void require_file_in(const std::string& directory);
  // The last commit in the WAL; no frames: there is none, or it does not count.
  struct Commit {
    std::uint64_t frames = 0;
    std::uint64_t main_bytes = 0;  // size of main after it
    std::uint64_t wal_bytes = 0;   // size of the WAL up to it
  };
  Commit read_last_commit() const;
  const Commit& last_commit();
  std::uint64_t main_bytes() const;
  std::uint64_t wal_bytes();
  std::uint64_t journal_bytes() const;
  std::uint64_t growth_bytes();
  std::uint64_t largest_file_bytes();
  std::uint64_t published_bytes();
  bool shares_blocks_in(const std::string& directory) const;

  LiveFiles& files_;
  const SourceFacts& facts_;
  const StrategyTraits& traits_;
  const ImageForm form_;
  RunContext& context_;
  std::optional<Commit> last_commit_;  // once it was asked for
};

}  // namespace sqlbk
