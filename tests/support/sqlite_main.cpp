// Another process with a SQLite connection of its own, at the command of a test
// (remote_sqlite.hpp): one line of SQL on standard input, one line "CODE TEXT" back, TEXT being the
// first column of the first row, or the error. The end of the input closes the connection.
#include <iostream>
#include <string>

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

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  sqlite3* database = nullptr;
  const int opened =
      sqlite3_open_v2(argv[1], &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  std::cout << opened << " opened" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    Answer answer;
    const int code = sqlite3_exec(database, line.c_str(), keep_first, &answer, nullptr);
    std::cout << code << ' ' << (code == SQLITE_OK ? answer.text : sqlite3_errmsg(database))
              << std::endl;
  }
  return sqlite3_close(database) == SQLITE_OK ? 0 : 1;
}
