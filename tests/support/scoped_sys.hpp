// A system call table of a test's own, for the life of this object. The entries are plain function
// pointers: what they need to remember is static in the test.
#pragma once

#include "sqlbk/core/sys.hpp"

namespace sqlbk::test {

class ScopedSys {
 public:
  ScopedSys() : table_(real_sys()) { install_sys(&table_); }
  ScopedSys(const ScopedSys&) = delete;
  ScopedSys& operator=(const ScopedSys&) = delete;
  ~ScopedSys() { install_sys(nullptr); }

  Sys* operator->() noexcept { return &table_; }

 private:
  Sys table_;
};

}  // namespace sqlbk::test
