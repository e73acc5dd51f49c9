// What file system a file lies on, and what that means for a proof. Thread-safety: pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace sqlbk {

enum class FileSystemKind {
  local,    // this kernel writes it: what one process writes, another reads at once
  overlay,  // local, but a mapped file may be an older one
  foreign,  // network, virtual machine host, or FUSE: another kernel or program may write it
};

struct FileSystem {
  std::string name;
  FileSystemKind kind = FileSystemKind::local;
  // What the file system cuts the kernel's time stamps to; 1 ns: it keeps them whole.
  std::chrono::nanoseconds timestamp_granularity{1};
};

// From f_type of statfs(2).
FileSystem file_system_of_magic(std::uint64_t magic);
FileSystem file_system_of(int fd, const std::string& path);
// Space that an unprivileged user may still fill, in the file system of this descriptor; the
// largest number where it does not tell.
std::uint64_t free_space_bytes(int fd, const std::string& path);

}  // namespace sqlbk
