// A RunContext with all that it refers to.
#pragma once

#include "sqlbk/core/cancel.hpp"
#include "sqlbk/core/progress.hpp"
#include "sqlbk/core/run_context.hpp"

namespace sqlbk::test {

struct TestContext {
  Progress progress;
  CancelToken cancel;
  explicit TestContext(const RunSettings& settings = {}) : context(progress, cancel, settings) {}
  RunContext context;
};

}  // namespace sqlbk::test
