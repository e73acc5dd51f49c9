// What file system a file lies on, and what that means for a proof. Thread-safety: pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace sqlbk {

enum class FileSystemKind {
  local,    // this kernel writes it: what one process writes, another reads at once
  overlay,  // local, but a mapped file may be an older one
  fuse,     // a program of this machine serves it: what holds, holds for this mount
  network,  // network or virtual machine host: another kernel may write it
};

struct FileSystem {
  std::string name;
  FileSystemKind kind = FileSystemKind::local;
  // What the file system cuts the kernel's time stamps to; 1 ns: it keeps them whole.
  std::chrono::nanoseconds timestamp_granularity{1};
};

// From f_type of statfs(2). What FUSE serves is not told by that: it may come by a network.
FileSystem file_system_of_magic(std::uint64_t magic);
// From the type and source that mount(8) shows: "fuse.sshfs", "user@host:/directory".
FileSystem file_system_of_fuse(const std::string& type, const std::string& source);
// Whether what this kernel sees of its files is all that there is: locks, times, content.
constexpr bool is_this_kernels(FileSystemKind kind) noexcept {
  return kind == FileSystemKind::local || kind == FileSystemKind::overlay;
}
FileSystem file_system_of(int fd, const std::string& path);
// Space that an unprivileged user may still fill, in the file system of this descriptor; the
// largest number where it does not tell.
std::uint64_t free_space_bytes(int fd, const std::string& path);

}  // namespace sqlbk
