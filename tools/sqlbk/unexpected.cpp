#include "unexpected.hpp"

#include <cerrno>
#include <new>
#include <string>

namespace sqlbk::tool {

Error unexpected_error(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    return Error(Errc::io_error, "out of memory")
        .with_errno(ENOMEM)
        .with_hint("free some memory, or raise the limit (ulimit -v, or that of the service)");
  }
  return Error(Errc::io_error, "internal error: " + std::string(error.what()))
      .with_hint("this is a fault of sqlbk; please report it with what was printed");
}

}  // namespace sqlbk::tool
