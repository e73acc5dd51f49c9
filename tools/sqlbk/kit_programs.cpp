#include "kit_programs.hpp"

#include <cstdlib>

#include <boost/filesystem.hpp>

#include "sqlbk/core/error.hpp"

namespace sqlbk::tool {
namespace {

namespace fs = boost::filesystem;

Error not_found(const std::string& program, const std::string& purpose) {
  return Error(Errc::io_error,
               "unable to find the program " + sqlbk::quoted(program) + ", which " + purpose)
      .with_hint("install sqlbk whole, or name the program 'live-writer' in SQLBK_LIVE_WRITER");
}

}  // namespace

std::string find_live_writer(const std::string& purpose) {
  if (const char* path = std::getenv("SQLBK_LIVE_WRITER")) return path;
  boost::system::error_code code;
  const fs::path self = fs::read_symlink("/proc/self/exe", code);
  for (const char* place : {"../libexec/sqlbk/live-writer", "../../bench/kit/live-writer"}) {
    const fs::path path = self.parent_path() / place;
    boost::system::error_code missing;
    if (fs::exists(path, missing)) return path.string();
  }
  throw not_found("live-writer", purpose);
}

std::string find_run_measured(const std::string& purpose) {
  const fs::path path = fs::path(find_live_writer(purpose)).parent_path() / "run-measured";
  boost::system::error_code missing;
  if (!fs::exists(path, missing)) throw not_found("run-measured", purpose);
  return path.string();
}

}  // namespace sqlbk::tool
