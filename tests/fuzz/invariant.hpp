// A broken invariant ends a fuzz run like a crash, with the input kept. Not assert(): the checks
// stay in every build type.
#pragma once

#include <cstdio>
#include <cstdlib>

#define SQLBK_INVARIANT(condition)                                                           \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      std::fprintf(stderr, "%s:%d: broken invariant: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                          \
    }                                                                                        \
  } while (false)
