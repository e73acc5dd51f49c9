// One run of the pipeline with the error, if any, as a value.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/pipeline.hpp"
#include "sqlbk/core/registry.hpp"

namespace sqlbk::test {

struct Outcome {
  Report report;
  std::optional<Error> error;

  bool ok() const noexcept { return !error; }
  int exit_code() const noexcept { return error ? errc_info(error->code()).exit_code : 0; }
  // The verdict, or the error and its code, for a message.
  std::string explain() const;
};

inline const CancelToken kNeverCancelled;

Outcome run_request(const CopyRequest& request, const Registry& registry,
                    Deadline deadline = Deadline::never(),
                    const CancelToken& cancel = kNeverCancelled);

// A registry that knows `make` by the name "under-test" alone.
Registry registry_of(std::function<std::unique_ptr<StrategyChooser>()> make);
CopyRequest request_of(const std::string& source, const std::string& destination,
                       const std::string& strategy = "under-test");

// The strategies of the registry whose mover works on the file system of $TMPDIR: a mover alone
// (trait is_mover) is tried on a database that nobody has open.
std::vector<std::string> strategies_that_work_here(const Registry& registry);

// "" if there is neither a destination nor anything else but `expected` in its directory.
std::string leftovers(const std::string& destination, const std::vector<std::string>& expected);

}  // namespace sqlbk::test
