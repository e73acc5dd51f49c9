// What is measured on. Thread-safety: pure system calls.
#pragma once

#include <string>

#include "results.hpp"

namespace sqlbk::tool::bench {

// `directory`: where everything is measured.
Machine describe_machine(const std::string& directory);

}  // namespace sqlbk::tool::bench
