// A SQLite connection in another process: the only kind whose locks the kernel holds against ours.
// Forking alone would not do: SQLite's own account of locks would be inherited. Its program is
// sqlite_main.cpp, found by SQLBK_TEST_SQLITE. Failure: std::runtime_error.
#pragma once

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <signal.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace sqlbk::test {

class RemoteSqlite {
 public:
  // `how`: as the program's second argument. `wrapper`: a command to run it with.
  explicit RemoteSqlite(const std::string& path, const std::string& how = "",
                        const std::vector<std::string>& wrapper = {}) {
    const char* program = std::getenv("SQLBK_TEST_SQLITE");
    if (program == nullptr) throw std::runtime_error("SQLBK_TEST_SQLITE is not set");
    std::array<int, 2> down{};
    std::array<int, 2> up{};
    if (::pipe2(down.data(), O_CLOEXEC) != 0 || ::pipe2(up.data(), O_CLOEXEC) != 0) {
      throw std::runtime_error("pipe");
    }
    std::vector<std::string> words = wrapper;
    words.insert(words.end(), {program, path});
    if (!how.empty()) words.push_back(how);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      if (::dup2(down[0], 0) < 0 || ::dup2(up[1], 1) < 0) ::_exit(126);
      ::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
    static_cast<void>(::close(down[0]));
    static_cast<void>(::close(up[1]));
    to_ = down[1];
    from_ = up[0];
    if (pid_ < 0) throw std::runtime_error("fork");
    if (code_in(read_line()) != 0)
      throw std::runtime_error("the other process cannot open " + path);
  }
  RemoteSqlite(const RemoteSqlite&) = delete;
  RemoteSqlite& operator=(const RemoteSqlite&) = delete;
  ~RemoteSqlite() {
    if (pid_ > 0) end(SIGKILL);
  }

  pid_t pid() const noexcept { return pid_; }

  // SQLite's result code of these statements, all on one line.
  int try_run(const std::string& sql) {
    const std::string line = sql + "\n";
    for (std::size_t done = 0; done < line.size();) {
      const ssize_t count = ::write(to_, line.data() + done, line.size() - done);
      if (count < 0 && errno != EINTR) throw std::runtime_error("the other process is gone");
      if (count > 0) done += static_cast<std::size_t>(count);
    }
    answer_ = read_line();
    return code_in(answer_);
  }
  // The first column of the first row.
  std::string run(const std::string& sql) {
    if (try_run(sql) != 0) throw std::runtime_error(sql + ": " + answer_);
    return answer_.substr(answer_.find(' ') + 1);
  }

  // Closes the connection as an owner does who ends well.
  void stop() {
    static_cast<void>(::close(to_));
    to_ = -1;
    if (end(0) != 0) throw std::runtime_error("the other process did not end well");
  }
  void kill() { end(SIGKILL); }

 private:
  static int code_in(const std::string& answer) { return std::stoi(answer); }

  std::string read_line() const {
    std::string line;
    for (char c = 0;;) {
      const ssize_t count = ::read(from_, &c, 1);
      if (count == 0) throw std::runtime_error("the other process is gone");
      if (count < 0 && errno != EINTR) throw std::runtime_error("read");
      if (count < 0) continue;
      if (c == '\n') return line;
      line += c;
    }
  }

  int end(int signal) {
    if (signal != 0) static_cast<void>(::kill(pid_, signal));
    int status = -1;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
    pid_ = 0;
    if (to_ >= 0) static_cast<void>(::close(to_));
    static_cast<void>(::close(from_));
    return status;
  }

  pid_t pid_ = 0;
  int to_ = -1;
  int from_ = -1;
  std::string answer_;
};

}  // namespace sqlbk::test
