// Asking for one certain Error.
#pragma once

#include <optional>
#include <ostream>

#include <gtest/gtest.h>

#include "sqlbk/core/error.hpp"

namespace sqlbk {

inline void PrintTo(Errc code, std::ostream* out) {
  *out << errc_info(code).name;
}

}  // namespace sqlbk

namespace sqlbk::test {

// The Error that `work` throws, to look at; nullopt where it throws none.
template <typename Work>
std::optional<Error> error_of(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

template <typename Work>
std::optional<Errc> code_of(Work&& work) {
  const std::optional<Error> error = error_of(std::forward<Work>(work));
  return error ? std::optional(error->code()) : std::nullopt;
}

}  // namespace sqlbk::test
