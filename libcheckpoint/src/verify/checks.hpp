// The layers of verify, one function each; every one says in a StepReport what it found. Private to
// libcheckpoint.
#pragma once

#include <string>
#include <vector>

#include "sqlbk/checkpoint/verify.hpp"
#include "sqlbk/core/live_files.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/source.hpp"
#include "verify/checked_state.hpp"
#include "verify/reader_vfs.hpp"

namespace sqlbk::checkpoint {

// Page 1's header against itself and the size of the state.
void check_header(const CheckedState& state, VerifyReport& report, StepReport& found);

// Header, frames, committed prefix, and what stands behind it: commits that are cut off by damage.
void check_wal(LiveFiles& files, const SourceFacts& facts, RunContext& context,
               VerifyReport& report, StepReport& found);

// A journal of a transaction that nobody finished.
void check_journal(const LiveFiles& files, const SourceFacts& facts, VerifyReport& report,
                   StepReport& found);

// SQLite's checkers, on up to `options.jobs` connections through `vfs`, which serves `state`, and
// who uses which page.
void check_state_structure(const CheckedState& state, const ReaderVfs& vfs,
                           const VerifyOptions& options, RunContext& context, StepReport& found);

// The files against what was written down of them.
void check_manifest(const LiveFiles& files, const SourceFacts& facts, const ExpectedCopy& expected,
                    RunContext& context, StepReport& found);

// Whether `state` holds what `wanted` holds: page by page, else schema and rows, table by table.
void compare_states(const CheckedState& state, const CheckedState& wanted, RunContext& context,
                    StepReport& found);

// The file DATABASE.sha256, where there is one.
void check_sha256(const LiveFiles& files, RunContext& context, StepReport& found);

}  // namespace sqlbk::checkpoint
