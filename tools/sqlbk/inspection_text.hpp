// An inspection for people: sections of aligned lines.
#pragma once

#include <iosfwd>

#include "inspection.hpp"

namespace sqlbk::tool {

void print_inspection(std::ostream& out, const Inspection& inspection);

}  // namespace sqlbk::tool
