// The private copy of the user's database that is measured in its place.
#pragma once

#include <cstdint>
#include <string>

#include "sqlbk/core/cancel.hpp"
#include "sqlbk/core/registry.hpp"

namespace sqlbk::tool::bench {

enum class SourceForm {
  as_it_is,  // main, and a WAL where there is one
  one_file,
};

// By `auto`, as every copy; the database is not written to. Throws Error.
void copy_source(const std::string& database, const std::string& destination, SourceForm form,
                 const Registry& registry, const CancelToken& cancel);

// Of main and WAL, as they are now. Throws Error source_missing.
std::uint64_t source_size_bytes(const std::string& database);

}  // namespace sqlbk::tool::bench
