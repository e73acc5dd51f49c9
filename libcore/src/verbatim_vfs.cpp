#include "verbatim_vfs.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <sys/stat.h>
#include <vector>

#include <sqlite3.h>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/sqlite.hpp"

namespace sqlbk::sqlite {
namespace {

struct Verbatim {
  sqlite3_vfs vfs{};  // first: SQLite hands its address back
  sqlite3_vfs* system = nullptr;
  std::string name;
};

// Beside what such a link leads to are the sidecars.
bool is_link(const char* path) {
  struct stat file {};
  return ::lstat(path, &file) == 0 && S_ISLNK(file.st_mode);
}

int full_path(sqlite3_vfs* vfs, const char* path, int size, char* out) {
  sqlite3_vfs* const system = reinterpret_cast<Verbatim*>(vfs)->system;
  if (path[0] != '/' || is_link(path)) return system->xFullPathname(system, path, size, out);
  const std::size_t needed = std::strlen(path) + 1;
  if (needed > static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
  std::memcpy(out, path, needed);
  return SQLITE_OK;
}

// Field by field: what a version does not have is not there to be read, and a newer one may have
// more than this program knows.
sqlite3_vfs copy_of(const sqlite3_vfs& system) {
  constexpr int kNewestKnown = 3;
  sqlite3_vfs copy{};
  copy.iVersion = std::min(system.iVersion, kNewestKnown);
  copy.szOsFile = system.szOsFile;
  copy.mxPathname = system.mxPathname;
  copy.pAppData = system.pAppData;
  copy.xOpen = system.xOpen;
  copy.xDelete = system.xDelete;
  copy.xAccess = system.xAccess;
  copy.xDlOpen = system.xDlOpen;
  copy.xDlError = system.xDlError;
  copy.xDlSym = system.xDlSym;
  copy.xDlClose = system.xDlClose;
  copy.xRandomness = system.xRandomness;
  copy.xSleep = system.xSleep;
  copy.xCurrentTime = system.xCurrentTime;
  copy.xGetLastError = system.xGetLastError;
  if (copy.iVersion >= 2) copy.xCurrentTimeInt64 = system.xCurrentTimeInt64;
  if (copy.iVersion >= 3) {
    copy.xSetSystemCall = system.xSetSystemCall;
    copy.xGetSystemCall = system.xGetSystemCall;
    copy.xNextSystemCall = system.xNextSystemCall;
  }
  return copy;
}

std::unique_ptr<Verbatim> registered(sqlite3_vfs& system, std::size_t number) {
  auto verbatim = std::make_unique<Verbatim>();
  verbatim->system = &system;
  verbatim->name = "sqlbk-verbatim-" + std::to_string(number);
  verbatim->vfs = copy_of(system);
  verbatim->vfs.zName = verbatim->name.c_str();
  verbatim->vfs.xFullPathname = full_path;
  check(sqlite3_vfs_register(&verbatim->vfs, 0), nullptr, verbatim->name, "register");
  return verbatim;
}

bool is_of(const Verbatim& verbatim, const sqlite3_vfs& system) {
  return verbatim.system == &system && verbatim.vfs.xOpen == system.xOpen &&
         verbatim.vfs.pAppData == system.pAppData;
}

}  // namespace

std::string verbatim_vfs() {
  // Never destroyed: SQLite has their addresses until the process ends. A host program may change
  // its default.
  static std::mutex mutex;
  static auto& known = *new std::vector<std::unique_ptr<Verbatim>>();
  sqlite3_vfs* const system = sqlite3_vfs_find(nullptr);
  if (system == nullptr) throw Error(Errc::sqlite_error, "SQLite has no VFS");
  const std::lock_guard lock(mutex);
  const auto found = std::ranges::find_if(
      known, [system](const auto& verbatim) { return is_of(*verbatim, *system); });
  if (found != known.end()) return (*found)->name;
  known.push_back(registered(*system, known.size()));
  return known.back()->name;
}

}  // namespace sqlbk::sqlite
