// An inspection as JSON, by the schema in docs/cli.md.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "inspection.hpp"

namespace sqlbk::tool {

nlohmann::json to_json(const Inspection& inspection);
// The same fields where nothing could be found out.
nlohmann::json empty_inspection_json();

}  // namespace sqlbk::tool
