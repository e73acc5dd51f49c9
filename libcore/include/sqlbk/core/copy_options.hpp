// What a user asks of a copy; constant from the start of a run to its end.
// Thread-safety: a value.
#pragma once

#include <chrono>
#include <vector>

#include "sqlbk/core/evidence.hpp"

namespace sqlbk {

// The form in which the copy is wanted.
enum class ImageForm {
  folded,        // one file, the WAL applied to it
  main_and_wal,  // two files, unmerged
};

struct CopyOptions {
  ImageForm form = ImageForm::folded;
  std::chrono::milliseconds lock_budget{
      1000};                           // longest time another process may wait for our lock
  unsigned copy_retry = 100;           // attempts of a copy without a lock
  bool opaque = false;                 // encrypted: no header field is used or patched
  bool allow_unproven = false;         // publish a copy that nothing proves, rather than none
  bool allow_assumptions = true;       // false: only what can be seen from here counts
  std::vector<AssumptionKind> assume;  // what the user vouches for, also without allow_assumptions
};

}  // namespace sqlbk
