// How long a strategy that holds a read lock goes on trying. Private to libcopy.
#pragma once

#include <functional>

#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/staged_image.hpp"

namespace sqlbk::copy {

// Runs `attempt` until it succeeds: after source_busy for a few seconds (a checkpoint or a commit
// is under way), after source_changed a few times. Whatever an attempt held is released between.
// Each failed attempt's image is discarded.
void try_while_busy(StagedImage& image, RunContext& context, const std::function<void()>& attempt);

}  // namespace sqlbk::copy
