// Whole reads, writes, opens and syncs with the error text that a user needs. All go through sys()
// and repeat after EINTR. `path` is only for messages. Thread-safety: as the system calls.
// On failure everything throws Error (system_error() in error.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <sys/types.h>

#include "sqlbk/core/unique_fd.hpp"

namespace sqlbk {

// What stat(2) says of a file; times are nanoseconds since the epoch.
struct FileStat {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size_bytes = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::int64_t atime_ns = 0;
  mode_t mode = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint64_t links = 0;            // names that it has; 0: deleted, but open
  std::uint64_t allocated_bytes = 0;  // on the disk; less than its size where it has holes
  bool same_file(const FileStat& other) const noexcept {
    return device == other.device && inode == other.inode;
  }
  // Same file, and nothing was written to it, as far as stat can tell.
  bool unchanged(const FileStat& other) const noexcept {
    return same_file(other) && size_bytes == other.size_bytes && mtime_ns == other.mtime_ns &&
           ctime_ns == other.ctime_ns;
  }
  bool is_regular() const noexcept;
  bool is_directory() const noexcept;
  bool is_link() const noexcept;
};

UniqueFd open_at(int dir_fd, const std::string& name, int flags, mode_t mode,
                 const std::string& path);

FileStat stat_of(int fd, const std::string& path);
// nullopt: there is nothing of that name (ENOENT, ENOTDIR), or nothing can have it (ENAMETOOLONG).
// `flags` as for fstatat(2).
std::optional<FileStat> stat_at(int dir_fd, const std::string& name, int flags,
                                const std::string& path);
std::optional<FileStat> stat_path(const std::string& path);

// Reads until `buffer` is full or the file ends; returns the bytes read.
std::size_t read_up_to(int fd, std::span<std::byte> buffer, std::uint64_t offset,
                       const std::string& path);
void write_all(int fd, std::span<const std::byte> bytes, std::uint64_t offset,
               const std::string& path);
void truncate_to(int fd, std::uint64_t size_bytes, const std::string& path);
void sync_file(int fd, const std::string& path);
// As sync_file(), for much data: the disk gets it in pieces, so that who syncs another file on it
// meanwhile, as the owner of a database does, waits for a piece and not for all of it.
void sync_in_pieces(int fd, const std::string& path);
// Closes a descriptor that was written to: close() may report an earlier write's failure.
void close_checked(UniqueFd& fd, const std::string& path);

}  // namespace sqlbk
