// SIGINT, SIGTERM and SIGHUP stop a run cleanly; a second one stops the process.
#pragma once

#include "sqlbk/core/cancel.hpp"

namespace sqlbk::tool {

// Requests `token` from now on. REQUIRES: the token lives as long as the process.
void cancel_on_signals(CancelToken& token);

}  // namespace sqlbk::tool
