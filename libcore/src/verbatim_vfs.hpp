// SQLite's default VFS, but for one thing: an absolute path whose last part is no link is
// taken as it stands, and the kernel follows the links in it. SQLite's own (unixFullPathname() in
// os_unix.c) reads them as text, which for the links of /proc is a path in another mount namespace.
//
// Thread-safety: any thread.
#pragma once

#include <string>

namespace sqlbk::sqlite {

// Its name, for sqlite3_open_v2(). Registered at the first call, and never taken away: a connection
// may outlive the object that opened it (sqlite3_close_v2()). Throws Error.
std::string verbatim_vfs();

}  // namespace sqlbk::sqlite
