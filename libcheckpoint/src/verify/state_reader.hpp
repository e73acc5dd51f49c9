// Brings one committed state of a database before somebody who wants to look at it: where it lies,
// if nobody uses it, else as a copy. Private to libcheckpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "sqlbk/checkpoint/verify.hpp"
#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/source.hpp"
#include "verify/checked_state.hpp"

namespace sqlbk::checkpoint {

class StateReader {
 public:
  // REQUIRES: the references outlive the object. Throws what LiveFiles throws.
  StateReader(const std::string& database, std::string tempdir, const StageCopy& stage,
              RunContext& context);

  const LiveFiles& files() const noexcept { return files_; }
  LiveFiles& files() noexcept { return files_; }
  const SourceFacts& facts() const noexcept { return facts_; }
  bool in_place() const noexcept { return in_place_; }
  const Report& copied() const noexcept { return copied_; }  // where it was not in place
  // The committed part of the WAL, where the state was read in place and has one.
  const std::optional<WalPrefix>& wal_prefix() const noexcept { return wal_prefix_; }

  // While `look` runs on a state that is in_place(): what main and the first `frames` of the WAL
  // make, if a commit ends there. Main must not have been checkpointed beyond: that is for the
  // caller to see.
  std::optional<CheckedState> state_at(std::uint64_t frames, RunContext& context) const;

  // Calls `look` with the state. Where somebody came by while it was read in place, what was seen
  // is worth nothing: `forget` is called, and then `look` again with a copy.
  void read(const std::function<void(const CheckedState&)>& look,
            const std::function<void()>& forget);

 private:
  bool can_be_read_in_place() const;
  void wait_until_quiet();
  bool read_in_place(const std::function<void(const CheckedState&)>& look);
  std::optional<CheckedState> committed_state();
  CheckedState view_of(const WalPrefix& prefix, RunContext& context) const;
  BorrowedFile borrowed(SourceFile file) const;
  bool is_unchanged();
  void read_a_copy(const std::function<void(const CheckedState&)>& look);

  std::string tempdir_;
  const StageCopy& stage_;
  RunContext& context_;
  LiveFiles files_;
  SourceFacts facts_;
  bool in_place_ = false;
  std::optional<WalPrefix> wal_prefix_;
  Report copied_;
};

}  // namespace sqlbk::checkpoint
