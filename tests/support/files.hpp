// Whole files as bytes, and what a directory holds. For tests. Failure: std::runtime_error.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace sqlbk::test {

using Buffer = std::vector<std::byte>;

inline Buffer read_file(const std::string& path) {
  Buffer bytes(std::filesystem::file_size(path));
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file) throw std::runtime_error("cannot read " + path);
  return bytes;
}

inline void write_file(const std::string& path, std::span<const std::byte> bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

inline void write_text(const std::string& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text)));
}

inline std::string read_text(const std::string& path) {
  const Buffer bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// lstat: a dangling link is there.
inline bool is_there(const std::string& path) {
  struct stat ignored {};
  return ::lstat(path.c_str(), &ignored) == 0;
}

inline mode_t permissions_of(const std::string& path) {
  struct stat file {};
  if (::lstat(path.c_str(), &file) != 0) throw std::runtime_error("cannot look at " + path);
  return file.st_mode & 07777U;
}

inline ino_t inode_of(const std::string& path) {
  struct stat file {};
  if (::lstat(path.c_str(), &file) != 0) throw std::runtime_error("cannot look at " + path);
  return file.st_ino;
}

// Where files are in memory, and on another file system than $TMPDIR mostly; "": there is no such
// place (and kit::TemporaryDirectory takes that for $TMPDIR).
inline std::string memory_directory() {
  const std::string path = "/dev/shm";
  return ::access(path.c_str(), W_OK | X_OK) == 0 ? path : "";
}

// Names in a directory, sorted; hidden ones, too.
inline std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace sqlbk::test
