// Another process with a SQLite connection of its own, at the command of a test
// (remote_sqlite.hpp): one line of SQL on standard input, one line "CODE TEXT" back, TEXT being the
// first column of the first row, or the error. The end of the input closes the connection.
//
//   test-sqlite DATABASE [HOW]
//
// HOW is a VFS of SQLite's, as "unix-none"; "open-file-locks"; or "read-only", in a transaction.
#include <cstdarg>
#include <fcntl.h>
#include <iostream>
#include <string>
#include <string_view>

#include <sqlite3.h>

namespace {

struct Answer {
  bool has_row = false;
  std::string text;
};

int keep_first(void* to, int columns, char** values, char** /*names*/) {
  auto* answer = static_cast<Answer*>(to);
  if (!answer->has_row && columns > 0 && values[0] != nullptr) answer->text = values[0];
  answer->has_row = true;
  return 0;
}

// POSIX locks become locks of the open file, as SQLite drivers take them that keep no account of
// the descriptors of a process.
int fcntl_with_open_file_locks(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  if (command != F_SETLK && command != F_GETLK) return ::fcntl(fd, command, argument);
  auto* lock = static_cast<struct flock*>(argument);
  lock->l_pid = 0;
  return ::fcntl(fd, command == F_SETLK ? F_OFD_SETLK : F_OFD_GETLK, lock);
}

bool use_open_file_locks() {
  sqlite3_vfs* vfs = sqlite3_vfs_find(nullptr);
  return vfs->xSetSystemCall(vfs, "fcntl",
                             reinterpret_cast<sqlite3_syscall_ptr>(fcntl_with_open_file_locks)) ==
         SQLITE_OK;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) return 2;
  const std::string_view how = argc == 3 ? argv[2] : "";
  if (how == "open-file-locks" && !use_open_file_locks()) return 2;
  const bool is_read_only = how == "read-only";
  const char* vfs = how.empty() || how == "open-file-locks" || is_read_only ? nullptr : argv[2];
  const int flags =
      is_read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* database = nullptr;
  int opened = sqlite3_open_v2(argv[1], &database, flags, vfs);
  if (is_read_only) {
    opened = sqlite3_exec(database, "BEGIN; SELECT count(*) FROM sqlite_schema", nullptr, nullptr,
                          nullptr);
  }
  std::cout << opened << " opened" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    Answer answer;
    const int code = sqlite3_exec(database, line.c_str(), keep_first, &answer, nullptr);
    std::cout << code << ' ' << (code == SQLITE_OK ? answer.text : sqlite3_errmsg(database))
              << std::endl;
  }
  return sqlite3_close(database) == SQLITE_OK ? 0 : 1;
}
