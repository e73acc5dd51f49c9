// The error of an attempt that proves nothing because the source changed. Private to libcopy.
#pragma once

#include <string>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/live_files.hpp"

namespace sqlbk::copy {

[[noreturn]] inline void throw_changed(const LiveFiles& files, const std::string& what) {
  throw Error(Errc::source_changed,
              "the source " + quoted(files.given_path()) + " changed while it was copied: " + what)
      .with_path(files.given_path());
}

}  // namespace sqlbk::copy
