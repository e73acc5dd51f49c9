// What no part of sqlbk has foreseen becomes an Error, too, so that --json tells of it.
#pragma once

#include <exception>

#include "sqlbk/core/error.hpp"

namespace sqlbk::tool {

Error unexpected_error(const std::exception& error);

template <typename Work>
auto with_errors_only(Work work) {
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw unexpected_error(error);
  }
}

}  // namespace sqlbk::tool
