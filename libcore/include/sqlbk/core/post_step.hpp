// Work on the staged copy before it is published: checks and conversions. For authors of steps.
// Thread-safety: one thread at a time for each object.
#pragma once

#include <string_view>

#include "sqlbk/core/report.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/staged_image.hpp"

namespace sqlbk {

struct StepTraits {
  bool changes_image = false;  // else it only reads
  bool reads_content = false;  // needs to understand pages: refused for encrypted databases
  bool takes_digest = false;   // fills StagedImage::digest: no step behind it may change the image
  bool publishes_digest = false;  // and it is published with the copy, as DEST.sha256
};

class PostStep {
 public:
  virtual ~PostStep();

  virtual std::string_view name() const noexcept = 0;  // with its argument: "checkpoint=truncate"
  virtual StepTraits traits() const noexcept = 0;

  // Damage that was found, and a check that could not be made, are verdicts in the report; every
  // other failure throws Error. The image's descriptors are closed; the step leaves no sidecar in
  // the image that was not part of it.
  virtual StepReport run(StagedImage& image, RunContext& context) = 0;
};

}  // namespace sqlbk
