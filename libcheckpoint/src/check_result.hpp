// How a check that SQLite makes ends: damage is a verdict, and so is a check that could not be
// made. Private to libcheckpoint.
#pragma once

#include <functional>
#include <string>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/report.hpp"
#include "sqlbk/core/run_context.hpp"

namespace sqlbk::checkpoint {

// Whether SQLite says by it that what it read cannot be right.
bool means_damage(const Error& error) noexcept;

// Runs `check`, which adds to the report's findings; any finding is damage. What it throws becomes
// a verdict, too, except that the run was cancelled or its deadline has passed.
StepReport run_check(const std::string& name, RunContext& context,
                     const std::function<void(StepReport&)>& check);

}  // namespace sqlbk::checkpoint
