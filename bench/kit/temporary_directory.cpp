#include "kit/temporary_directory.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <stdlib.h>  // mkdtemp
#include <system_error>

#include "sqlbk/core/error.hpp"

namespace sqlbk::kit {

namespace {

std::string default_parent() {
  std::error_code code;
  std::string path = std::filesystem::temp_directory_path(code).string();
  if (!code) return path;
  const char* const asked = std::getenv("TMPDIR");
  throw Error(Errc::destination_unusable, "unable to use " +
                                              quoted(asked != nullptr ? asked : "/tmp") +
                                              " for temporary files: " + code.message())
      .with_hint("set TMPDIR to a directory that can be written");
}

}  // namespace

TemporaryDirectory::TemporaryDirectory(const std::string& parent)
    : path_((parent.empty() ? default_parent() : parent) + "/sqlbk-kit-XXXXXX") {
  if (::mkdtemp(path_.data()) == nullptr) throw system_error("create", path_, errno);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace sqlbk::kit
