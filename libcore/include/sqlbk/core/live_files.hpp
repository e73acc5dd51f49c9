// The raw descriptors of a live database: the only way by which sqlbk opens files of a source.
//
// The descriptor rule: POSIX drops all of a process's locks on a file when the process closes any
// descriptor of it, and SQLite's locks are such locks. So one object owns every raw descriptor of
// a source; it is made before, and destroyed after, every SQLite connection to that source; and no
// stream, copy_file or format reader ever opens a source path. The path is resolved once, as the
// kernel does it; from then on everything is opened in that directory, by its descriptor. A run
// also works on a thread with a descriptor table of its own (host_thread.hpp); where that is not to
// be had, descriptors of files on which this process holds locks stay open until it holds none (at
// a later LiveFiles' end).
//
// Thread-safety: one thread at a time. All opens are read-only, without atime where permitted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sqlbk/core/io.hpp"
#include "sqlbk/core/unique_fd.hpp"
#include "sqlbk/core/unseen_locks.hpp"

namespace sqlbk {

namespace platform {
struct SourcePlace;
}

enum class SourceFile { main, wal, shm, journal };
inline constexpr std::array kSourceFiles{SourceFile::main, SourceFile::wal, SourceFile::shm,
                                         SourceFile::journal};

// "", "-wal", "-shm" or "-journal".
std::string_view suffix_of(SourceFile file) noexcept;

class LiveFiles {
 public:
  // Follows symbolic links, as SQLite does to find the sidecars, and opens what is there. Throws
  // source_missing, permission_denied, not_a_database where it is not a regular file, or
  // unsupported_database where a sidecar is none, or main has no name any more.
  explicit LiveFiles(const std::string& source_path);
  LiveFiles(const LiveFiles&) = delete;
  LiveFiles& operator=(const LiveFiles&) = delete;
  ~LiveFiles();

  const std::string& given_path() const noexcept { return given_path_; }
  // Without links, but for those of /proc where the file lies in another mount namespace.
  const std::string& main_path() const noexcept { return main_path_; }
  std::string path_of(SourceFile file) const;

  bool has(SourceFile file) const noexcept { return fd_of(file) >= 0; }
  // -1 where the file was not there when last looked. Borrowed: never close it.
  int fd_of(SourceFile file) const noexcept;

  FileStat stat(SourceFile file) const;  // REQUIRES: has(file)
  std::optional<FileStat> stat_by_path(SourceFile file) const;
  // The path still names the file that we have open; or we have none open and it names none. The
  // path of main is the whole one: a directory that was replaced has another main.
  bool is_current(SourceFile file) const;
  // What has the name of main with `suffix` behind it; a link is not followed.
  std::optional<FileStat> stat_beside(std::string_view suffix) const;
  // Opens it for reading. Empty: there is no such file. No file of SQLite: these are opened above.
  UniqueFd open_beside(std::string_view suffix) const;
  // Opens what the path names now, if it is not what we have open. Only main is looked for by the
  // whole path; it may take the directory of all others with it. The older descriptor is kept
  // open, unused, until begin_attempt(), so that its inode number stays its own; a journal, of
  // which an owner can make hundreds a second, is closed at once. Returns has(file). Throws
  // source_missing where main is gone.
  bool refresh(SourceFile file);
  void refresh_sidecars();
  // Closes what refresh() has left open, so that no deleted file keeps its space on the disk, and
  // refreshes main. REQUIRES: no lock of ours and no SQLite connection rests on the source.
  void begin_attempt();

  // Reads from the descriptor; fewer bytes only at the end of the file. 0 where !has(file).
  std::size_t read(SourceFile file, std::span<std::byte> buffer, std::uint64_t offset) const;

  UnseenLockLog& unseen_locks() noexcept { return unseen_locks_; }
  const UnseenLockLog& unseen_locks() const noexcept { return unseen_locks_; }

 private:
  std::string name_of(std::string_view suffix) const;

  std::string given_path_;
  std::unique_ptr<platform::SourcePlace> place_;
  std::string main_path_;
  std::array<int, kSourceFiles.size()> current_{-1, -1, -1, -1};
  std::vector<int> open_;  // all that is open, current or not
  UnseenLockLog unseen_locks_;
};

}  // namespace sqlbk
