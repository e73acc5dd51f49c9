// Something happens just before the copy looks at a file by its path: between any two of its looks,
// one after the other, by a number.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <sys/stat.h>

#include "scoped_sys.hpp"

namespace sqlbk::test {

struct Looks {
  std::string at;  // how the path ends
  int seen = 0;
  int act_before = 0;  // the number of the look, from 1; 0: never
  std::function<void()> act;
};

// Entries of the table of system calls are plain function pointers; one at a time.
inline Looks looks;

class WatchedLooks {
 public:
  explicit WatchedLooks(std::string at) {
    looks = {};
    looks.at = std::move(at);
    sys_->fstatat = [](int dir, const char* path, struct stat* out, int flags) {
      if (std::string_view(path).ends_with(looks.at) && ++looks.seen == looks.act_before) {
        looks.act();
      }
      return real_sys().fstatat(dir, path, out, flags);
    };
  }
  ScopedSys& sys() noexcept { return sys_; }

 private:
  ScopedSys sys_;
};

}  // namespace sqlbk::test
