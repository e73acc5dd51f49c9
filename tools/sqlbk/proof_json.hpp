// The object `proof` of a copy's JSON and of its manifest: where in the WAL of its source the copy
// stands. Both directions are here, so that no name is known elsewhere.
#pragma once

#include <optional>

#include <nlohmann/json_fwd.hpp>

#include "sqlbk/core/evidence.hpp"

namespace sqlbk::tool {

// All values are strings; empty where there was no WAL.
nlohmann::json proof_json(const std::optional<WalPosition>& wal);

// nullopt: the object is not one that proof_json() writes.
struct ParsedProof {
  std::optional<WalPosition> wal;
};
std::optional<ParsedProof> parse_proof(const nlohmann::json& proof);

}  // namespace sqlbk::tool
