// Why a copy differs from its source: the source has moved on, or the copy has lost something. Only
// what can be proven is said. Private to libcheckpoint.
#pragma once

#include "sqlbk/checkpoint/verify.hpp"
#include "sqlbk/core/live_files.hpp"
#include "verify/checked_state.hpp"
#include "verify/state_reader.hpp"

namespace sqlbk::checkpoint {

// The copy, and what was written down when it was made.
struct ComparedCopy {
  const CheckedState& state;
  const LiveFiles& files;
  const ExpectedCopy* expected;  // nullptr: nothing
};

// REQUIRES: `copy` differs from `wanted`, which `source` has read.
Comparison explain_difference(const ComparedCopy& copy, StateReader& source,
                              const CheckedState& wanted, RunContext& context);

}  // namespace sqlbk::checkpoint
