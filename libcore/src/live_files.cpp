#include "sqlbk/core/live_files.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <mutex>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "linux/descriptor_table.hpp"
#include "linux/locks.hpp"
#include "linux/source_place.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk {
namespace {

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

// -1: there is no such file, or nothing can have such a name. O_NONBLOCK so that a FIFO that has
// just got that name cannot hold us up; O_NOFOLLOW as SQLite does (unixOpen() in os_unix.c).
int open_read_only(int directory, const std::string& name, const std::string& path) {
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW;
  while (true) {
    int fd = sys().openat(directory, name.c_str(), kFlags | O_NOATIME, 0);
    // O_NOATIME is only for the file's owner and root.
    if (fd < 0 && errno == EPERM) fd = sys().openat(directory, name.c_str(), kFlags, 0);
    if (fd >= 0) return fd;
    if (errno == ENOENT || errno == ENAMETOOLONG) return -1;
    if (errno != EINTR) throw system_error("open", path, errno);
  }
}

// Asked by name first, so that what is no regular file is not even opened.
void require_regular(const std::optional<FileStat>& file, const std::string& path) {
  if (!file || file->is_regular()) return;
  throw Error(Errc::unsupported_database,
              quoted(path) + (file->is_link() ? " is a symbolic link, which SQLite does not follow"
                                              : " is not a regular file"))
      .with_path(path);
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
    : given_path_(source_path),
      place_(
          std::make_unique<platform::SourcePlace>(platform::find_source(source_path, source_path))),
      main_path_(place_->path()) {
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

std::string LiveFiles::name_of(std::string_view suffix) const {
  return place_->name + std::string(suffix);
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

std::optional<FileStat> LiveFiles::stat_beside(std::string_view suffix) const {
  return stat_at(place_->directory.get(), name_of(suffix), AT_SYMLINK_NOFOLLOW,
                 main_path_ + std::string(suffix));
}

UniqueFd LiveFiles::open_beside(std::string_view suffix) const {
  return UniqueFd(
      open_read_only(place_->directory.get(), name_of(suffix), main_path_ + std::string(suffix)));
}

std::optional<FileStat> LiveFiles::stat_by_path(SourceFile file) const {
  if (file == SourceFile::main && !place_->is_current()) return std::nullopt;
  return stat_beside(suffix_of(file));
}

bool LiveFiles::is_current(SourceFile file) const {
  const std::optional<FileStat> by_path = stat_by_path(file);
  if (!has(file)) return !by_path;
  return by_path && by_path->same_file(stat(file));
}

bool LiveFiles::refresh(SourceFile file) {
  if (is_current(file)) return has(file);
  // By its whole path again: another directory may have that name, or a link have taken main's.
  if (has(file) && file == SourceFile::main) {
    *place_ = platform::find_source(main_path_, given_path_);
    main_path_ = place_->path();
  }
  require_regular(stat_beside(suffix_of(file)), path_of(file));
  open_.reserve(open_.size() + 1);
  const int fd = open_read_only(place_->directory.get(), name_of(suffix_of(file)), path_of(file));
  if (fd >= 0) open_.push_back(fd);
  const int older = std::exchange(current_[static_cast<std::size_t>(file)], fd);
  // A journal carries no locks.
  if (older >= 0 && file == SourceFile::journal) {
    static_cast<void>(::close(older));
    std::erase(open_, older);
  }
  if (fd < 0 && file == SourceFile::main) {
    throw Error(Errc::source_missing, "there is no source " + quoted(given_path_))
        .with_path(given_path_);
  }
  if (fd >= 0) require_regular(stat(file), path_of(file));
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
