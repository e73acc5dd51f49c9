// What else people copy SQLite databases with, run as they run it.
// Thread-safety: values and functions of processes. Failure: how a copy ended is a value; Error is
// thrown as run_child() and io.hpp throw it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kit/child.hpp"

namespace sqlbk::kit {

// One command of a copy.
struct CopyStep {
  std::vector<std::string> command;
  // The sidecar that it copies: where it is not there, or vanishes meanwhile, there is nothing to
  // do. "": the step must succeed.
  std::string sidecar;
};

struct Peer {
  std::string_view id;    // one word: "cp-reflink", "backup"
  std::string_view name;  // what is run: "cp --reflink=always", "sqlite3 .backup"
  // Both paths are absolute.
  std::vector<CopyStep> (*steps)(const std::string& source, const std::string& destination);
};

std::span<const Peer> peers() noexcept;

struct PeerFound {
  std::string version;      // as far as it tells
  std::string unavailable;  // why it cannot be used, in words; "": it can
};

// Looks for the program, and whether it can what it has to; `directory` is where it will copy to.
PeerFound find_peer(const Peer& peer, const std::string& directory, const ChildOptions& options);

// Whether the copy is on the disk when its commands have ended, or need not be.
enum class Durability { by_itself, needs_sync };

// Runs the steps one after another, and then syncs the copy, its sidecars and its directory if it
// needs that; all of it counts. The deadline is that of all together.
ChildResult run_copy(const std::vector<CopyStep>& steps, const std::string& destination,
                     Durability durability, const ChildOptions& options);

// The copy and its sidecars, if they are there.
void remove_copy(const std::string& destination);

}  // namespace sqlbk::kit
