#include "sqlbk/core/live_files.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <mutex>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <boost/filesystem.hpp>

#include "linux/descriptor_table.hpp"
#include "linux/locks.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk {
namespace {

namespace fs = boost::filesystem;

// Descriptors that could not be closed without dropping locks of this process.
class ParkedDescriptors {
 public:
  void park(int fd) {
    const std::lock_guard lock(mutex_);
    fds_.push_back(fd);
  }
  void close_what_may_be_closed() {
    const std::lock_guard lock(mutex_);
    std::erase_if(fds_, [](int fd) {
      if (platform::process_holds_locks_on(fd)) return false;
      static_cast<void>(::close(fd));
      return true;
    });
  }

 private:
  std::mutex mutex_;
  std::vector<int> fds_;
};

ParkedDescriptors& parked() {
  static ParkedDescriptors descriptors;
  return descriptors;
}

void close_or_park(const std::vector<int>& fds) {
  // The host's locks belong to the host's table: closing drops none of them in one of our own, and
  // a number parked here would be another file there.
  const bool is_private = platform::has_private_descriptor_table();
  for (const int fd : fds) {
    if (!is_private && platform::process_holds_locks_on(fd)) {
      parked().park(fd);
    } else {
      static_cast<void>(::close(fd));
    }
  }
  if (!is_private) parked().close_what_may_be_closed();
}

std::string resolve(const std::string& path) {
  boost::system::error_code code;
  const fs::path real = fs::canonical(path, code);
  if (!code) return real.string();
  if (code == boost::system::errc::no_such_file_or_directory ||
      code == boost::system::errc::not_a_directory) {
    Error error(Errc::source_missing, "there is no source " + quoted(path));
    error.with_path(path).with_errno(code.value());
    throw error;
  }
  throw system_error("open", path, code.value());
}

// -1: there is no such file. O_NONBLOCK so that a FIFO of that name cannot hold us up.
int open_read_only(const std::string& path) {
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  while (true) {
    int fd = sys().openat(AT_FDCWD, path.c_str(), kFlags | O_NOATIME, 0);
    // O_NOATIME is only for the file's owner and root.
    if (fd < 0 && errno == EPERM) fd = sys().openat(AT_FDCWD, path.c_str(), kFlags, 0);
    if (fd >= 0) return fd;
    if (errno == ENOENT) return -1;
    if (errno != EINTR) throw system_error("open", path, errno);
  }
}

}  // namespace

std::string_view suffix_of(SourceFile file) noexcept {
  switch (file) {
    case SourceFile::main:
      return "";
    case SourceFile::wal:
      return "-wal";
    case SourceFile::shm:
      return "-shm";
    case SourceFile::journal:
      return "-journal";
  }
  return "";
}

LiveFiles::LiveFiles(const std::string& source_path)
    : given_path_(source_path), main_path_(resolve(source_path)) {
  // Looked at by path first: what is no regular file is not even opened.
  const std::optional<FileStat> before = stat_by_path(SourceFile::main);
  if (before && !before->is_regular()) {
    Error error(Errc::not_a_database,
                quoted(source_path) + (before->is_directory() ? " is a directory, not a database"
                                                              : " is not a regular file"));
    error.with_path(source_path).with_hint("name the database file itself");
    throw error;
  }
  try {
    refresh(SourceFile::main);
    refresh_sidecars();
  } catch (...) {
    close_or_park(open_);  // no destructor runs for what was not built
    throw;
  }
}

LiveFiles::~LiveFiles() {
  close_or_park(open_);
}

std::string LiveFiles::path_of(SourceFile file) const {
  return main_path_ + std::string(suffix_of(file));
}

int LiveFiles::fd_of(SourceFile file) const noexcept {
  return current_[static_cast<std::size_t>(file)];
}

FileStat LiveFiles::stat(SourceFile file) const {
  return stat_of(fd_of(file), path_of(file));
}

std::optional<FileStat> LiveFiles::stat_by_path(SourceFile file) const {
  return stat_path(path_of(file));
}

bool LiveFiles::is_current(SourceFile file) const {
  const std::optional<FileStat> by_path = stat_by_path(file);
  if (!has(file)) return !by_path;
  return by_path && by_path->same_file(stat(file));
}

bool LiveFiles::refresh(SourceFile file) {
  if (is_current(file)) return has(file);
  open_.reserve(open_.size() + 1);
  const int fd = open_read_only(path_of(file));
  if (fd >= 0) open_.push_back(fd);
  const int older = std::exchange(current_[static_cast<std::size_t>(file)], fd);
  // Nobody locks a journal.
  if (older >= 0 && file == SourceFile::journal) {
    static_cast<void>(::close(older));
    std::erase(open_, older);
  }
  if (fd < 0 && file == SourceFile::main) {
    throw Error(Errc::source_missing, "there is no source " + quoted(given_path_))
        .with_path(given_path_);
  }
  if (fd >= 0 && !stat(file).is_regular()) {
    throw Error(Errc::unsupported_database, quoted(path_of(file)) + " is not a regular file")
        .with_path(path_of(file));
  }
  return fd >= 0;
}

void LiveFiles::begin_attempt() {
  const auto superseded = std::stable_partition(open_.begin(), open_.end(), [this](int fd) {
    return std::ranges::find(current_, fd) != current_.end();
  });
  close_or_park({superseded, open_.end()});
  open_.erase(superseded, open_.end());
  refresh(SourceFile::main);
}

void LiveFiles::refresh_sidecars() {
  for (const SourceFile file : {SourceFile::wal, SourceFile::shm, SourceFile::journal}) {
    refresh(file);
  }
}

std::size_t LiveFiles::read(SourceFile file, std::span<std::byte> buffer,
                            std::uint64_t offset) const {
  return has(file) ? read_up_to(fd_of(file), buffer, offset, path_of(file)) : 0;
}

}  // namespace sqlbk
