// An inspection for people: sections of aligned lines.
#pragma once

#include "inspection.hpp"
#include "terminal.hpp"

namespace sqlbk::tool {

void print_inspection(TextOutput& out, const Inspection& inspection);

}  // namespace sqlbk::tool
