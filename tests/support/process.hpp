// What this process holds and has open, and work in a child of it. Failure: std::runtime_error.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <grp.h>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace sqlbk::test {

// What `look` finds in /proc/locks. The kernel may leave rows out, or say them twice, while others
// lock and unlock: looks again until it finds the same as before.
template <typename Look>
std::vector<std::string> settled(Look look) {
  std::vector<std::string> before;
  std::vector<std::string> now = look();
  do {
    before = std::move(now);
    now = look();
  } while (now != before);
  return now;
}

// The rows of /proc/locks, without their numbers, for which `wanted` returns a text: these texts,
// sorted, each once. Read by other code than libcore's.
template <typename Wanted>
std::vector<std::string> lock_rows(Wanted wanted) {
  std::set<std::string> rows;
  std::ifstream file("/proc/locks");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string index, type, enforcement, mode, pid, inode, first, last;
    words >> index >> type >> enforcement >> mode >> pid >> inode >> first >> last;
    const std::string range = mode + " " + inode + " " + first + " " + last;
    if (wanted(type, pid, inode)) rows.insert(type + " " + pid + " " + range);
  }
  return {rows.begin(), rows.end()};
}

// All POSIX locks of this process.
inline std::vector<std::string> own_posix_locks() {
  const std::string self = std::to_string(::getpid());
  return settled([&] {
    return lock_rows([&](const std::string& type, const std::string& pid, const std::string&) {
      return type == "POSIX" && pid == self;
    });
  });
}

// Locks of anybody on this file, OFD and flock included.
inline std::size_t locks_on(const std::string& path) {
  struct stat wanted {};
  if (::stat(path.c_str(), &wanted) != 0) throw std::runtime_error("cannot look at " + path);
  const std::string suffix = ":" + std::to_string(wanted.st_ino);
  const auto rows = settled([&] {
    return lock_rows([&](const std::string&, const std::string&, const std::string& inode) {
      return inode.ends_with(suffix);
    });
  });
  return rows.size();
}

// How many descriptors of this file the calling thread's table has.
inline int descriptors_of(const std::string& path) {
  struct stat wanted {};
  if (::stat(path.c_str(), &wanted) != 0) throw std::runtime_error("cannot look at " + path);
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/thread-self/fd")) {
    struct stat found {};
    if (::stat(entry.path().c_str(), &found) == 0 && found.st_dev == wanted.st_dev &&
        found.st_ino == wanted.st_ino) {
      ++count;
    }
  }
  return count;
}

inline int descriptors() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/thread-self/fd")) {
    static_cast<void>(entry);
    ++count;
  }
  return count - 1;  // the iterator's own
}

// Runs `work` in a forked child and returns what it returns; 128 + the signal that ended it; 99 for
// an exception. No SQLite connection may be open.
template <typename Work>
int in_child(Work work) {
  static_cast<void>(std::fflush(nullptr));
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("fork");
  if (pid == 0) {
    int code = 99;
    try {
      code = work();
    } catch (const std::exception& error) {
      static_cast<void>(std::fprintf(stderr, "in the child: %s\n", error.what()));
    }
    ::_exit(code);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) throw std::runtime_error("waitpid");
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// In a child: becomes a user whom permissions bind. False: this process may not, being no root;
// then they bind it anyway.
inline void drop_privileges() {
  constexpr uid_t kNobody = 65534;
  if (::geteuid() != 0) return;
  if (::setgroups(0, nullptr) != 0 || ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) {
    throw std::runtime_error("cannot drop privileges");
  }
}

}  // namespace sqlbk::test
