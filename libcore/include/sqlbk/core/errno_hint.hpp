// Hints for errors whose errno says more than their code. Thread-safety: a pure function.
#pragma once

#include "sqlbk/core/error.hpp"

namespace sqlbk {

// Gives the error the hint of its errno; leaves it alone where that of its code is as good.
void hint_at_errno(Error& error);

}  // namespace sqlbk
