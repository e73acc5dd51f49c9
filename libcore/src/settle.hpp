// Makes the image that a strategy has filled into the form that was asked for. Private to libcore.
#pragma once

#include "sqlbk/core/pipeline.hpp"

namespace sqlbk {

// Rolls back a hot journal on the copy, folds or trims the WAL, sets the header's journal mode.
void settle_image(StagedImage& image, const CopyRequest& request, RunContext& context,
                  Report& report);

}  // namespace sqlbk
