// Reports and errors as JSON, by the schema in docs/cli.md.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/report.hpp"
#include "terminal.hpp"

namespace sqlbk::tool {

double milliseconds(Nanoseconds time);

nlohmann::json to_json(const Report& report);
nlohmann::json to_json(const StepReport& step);
nlohmann::json to_json(const Error& error);

// On one line, or on many with so many spaces of indentation. Bytes that are not UTF-8 are
// replaced; characters that a terminal would not show are escaped, which JSON takes for the same.
std::string json_text(const nlohmann::json& object, int indent = -1);
// One object on one line and a newline.
void print_json(TextOutput& out, const nlohmann::json& object);

}  // namespace sqlbk::tool
