// The one loop over attempts: which strategy, how often, until when, and what of a failed attempt
// is thrown away. For Pipeline and for tests of strategies.
// Thread-safety: as LiveFiles and StagedImage.
#pragma once

#include <string>
#include <vector>

#include "sqlbk/core/copy_strategy.hpp"

namespace sqlbk {

// What was tried, also where nothing came of it.
struct AttemptLog {
  unsigned attempts = 0;
  std::vector<std::string> decisions;  // which strategy was tried and why, in order
};

struct ProvenCopy {
  Evidence evidence;     // of the attempt that counts, and of no other
  std::string strategy;  // that made it, with its mover: "lock+range"
};

// Tries what `chooser` chooses until an attempt succeeds. Throws the error of the last attempt that
// says why, once no other can be made: the choices are used up, an error is none that another
// attempt could mend (errc_info().retry), or the time is over. Without a deadline of the run that
// is ten times the first attempt, at least a minute. Where `options` allow an unproven copy, half
// of the run's time goes to the attempts.
ProvenCopy run_attempts(StrategyChooser& chooser, LiveFiles& files, StagedImage& image,
                        const CopyOptions& options, RunContext& context, AttemptLog& log);

// Throws what run_attempts() would end with, as far as that can be known without an attempt; for
// --dry-run. How long it would have tried is not said.
void preview_attempts(StrategyChooser& chooser, LiveFiles& files, const SourceFacts& facts,
                      const CopyOptions& options, RunContext& context);

}  // namespace sqlbk
