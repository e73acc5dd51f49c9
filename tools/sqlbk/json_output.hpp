// Reports and errors as JSON, by the schema in docs/cli.md.
#pragma once

#include <iosfwd>

#include <nlohmann/json_fwd.hpp>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/report.hpp"

namespace sqlbk::tool {

double milliseconds(Nanoseconds time);

nlohmann::json to_json(const Report& report);
nlohmann::json to_json(const StepReport& step);
nlohmann::json to_json(const Error& error);

// One object on one line and a newline; bytes that are not UTF-8 are replaced.
void print_json(std::ostream& out, const nlohmann::json& object);

}  // namespace sqlbk::tool
