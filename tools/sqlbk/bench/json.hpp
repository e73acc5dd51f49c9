// The results as JSON, by the schema in docs/cli.md.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "results.hpp"

namespace sqlbk::tool::bench {

nlohmann::json to_json(const Results& results);

}  // namespace sqlbk::tool::bench
