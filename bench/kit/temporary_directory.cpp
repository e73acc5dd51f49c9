#include "kit/temporary_directory.hpp"

#include <cerrno>
#include <filesystem>
#include <stdlib.h>  // mkdtemp
#include <system_error>

#include "sqlbk/core/error.hpp"

namespace sqlbk::kit {

TemporaryDirectory::TemporaryDirectory(const std::string& parent)
    : path_((parent.empty() ? std::filesystem::temp_directory_path().string() : parent) +
            "/sqlbk-kit-XXXXXX") {
  if (::mkdtemp(path_.data()) == nullptr) throw system_error("create", path_, errno);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace sqlbk::kit
