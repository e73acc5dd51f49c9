// The post-steps of libcheckpoint. Thread-safety: pure function on the caller's registry.
#pragma once

#include "sqlbk/core/registry.hpp"

namespace sqlbk::checkpoint {

// Adds every step of src/builtin.cpp. Call once for each registry.
void register_builtin_steps(Registry& registry);

}  // namespace sqlbk::checkpoint
