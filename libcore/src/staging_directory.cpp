#include "staging_directory.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sstream>
#include <string_view>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/filesystem.hpp>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk {
namespace {

namespace fs = boost::filesystem;

constexpr std::string_view kPrefix = ".sqlbk-";
constexpr std::string_view kSuffix = ".staging";
constexpr std::size_t kNameSize = kPrefix.size() + 32 + kSuffix.size();

std::string random_name() {
  std::array<unsigned char, 16> bytes{};
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t count = ::getrandom(bytes.data() + have, bytes.size() - have, 0);
    if (count < 0 && errno != EINTR) throw system_error("read", "random bytes", errno);
    if (count > 0) have += static_cast<std::size_t>(count);
  }
  std::string name(kPrefix);
  for (const unsigned char byte : bytes) {
    std::array<char, 3> hex{};
    static_cast<void>(std::snprintf(hex.data(), hex.size(), "%02x", byte));
    name += hex.data();
  }
  return name.append(kSuffix);
}

bool is_staging_name(const std::string& name) {
  return name.size() == kNameSize && name.starts_with(kPrefix) && name.ends_with(kSuffix);
}

bool lock_directory(int fd) {
  int result = sys().flock(fd, LOCK_EX | LOCK_NB);
  while (result != 0 && errno == EINTR) result = sys().flock(fd, LOCK_EX | LOCK_NB);
  return result == 0;
}

void remove_tree(const std::string& path) noexcept {
  boost::system::error_code ignored;
  fs::remove_all(path, ignored);
}

// The note: device and inode of the DEST that was to be replaced, DEST's path, and one suffix a
// line. The sidecars lie beside the note under the names "old" + suffix.
void put_back_sidecars(const std::string& staging) {
  const std::string note_path = staging + "/" + kReplaceNoteName;
  const std::optional<FileStat> note_stat = stat_path(note_path);
  if (!note_stat || note_stat->size_bytes > 65536) return;
  std::string text(note_stat->size_bytes, '\0');
  {
    const UniqueFd fd = open_at(AT_FDCWD, note_path, O_RDONLY, 0, note_path);
    text.resize(read_up_to(fd.get(), std::as_writable_bytes(std::span(text)), 0, note_path));
  }
  std::istringstream note(text);
  FileStat replaced;
  std::string destination;
  note >> replaced.device >> replaced.inode;
  note.ignore(1);
  if (!std::getline(note, destination, '\0')) return;
  const std::optional<FileStat> now = stat_path(destination);
  if (!now || !now->same_file(replaced)) return;  // it was replaced: they are of no use any more
  for (const std::string_view suffix : {"-wal", "-shm", "-journal"}) {
    const std::string from = staging + "/old" + std::string(suffix);
    const std::string to = destination + std::string(suffix);
    if (sys().renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0 &&
        errno != ENOENT && errno != EEXIST) {
      throw system_error("put back", to, errno);
    }
  }
}

}  // namespace

StagingDirectory::StagingDirectory(const std::string& parent) {
  constexpr int kTries = 16;
  for (int i = 0; i < kTries; ++i) {
    const std::string path = (parent == "/" ? "" : parent) + "/" + random_name();
    if (sys().mkdirat(AT_FDCWD, path.c_str(), 0700) != 0) {
      if (errno == EEXIST) continue;
      Error error = system_error("make a staging directory in", parent, errno);
      if (error.code() != Errc::no_space) {
        const int os_errno = errno;
        error = Error(Errc::destination_unusable, error.what());
        error.with_path(parent).with_errno(os_errno);
        error.with_hint(
            "choose a destination in a directory that exists and that you may write, or stage "
            "elsewhere with --tempdir");
      }
      throw error;
    }
    UniqueFd fd;
    try {
      fd = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, path);
    } catch (...) {
      static_cast<void>(::rmdir(path.c_str()));
      throw;
    }
    // Between mkdir and flock a cleaner may have taken it for a dead run's.
    if (!lock_directory(fd.get())) continue;
    const std::optional<FileStat> by_path = stat_path(path);
    if (!by_path || !by_path->same_file(stat_of(fd.get(), path))) continue;
    path_ = path;
    fd_ = std::move(fd);
    return;
  }
  throw Error(Errc::destination_unusable,
              "unable to make and lock a staging directory in " + quoted(parent))
      .with_path(parent);
}

StagingDirectory::~StagingDirectory() {
  if (fd_) remove_tree(path_);
}

void clean_dead_staging_directories(const std::string& parent) noexcept {
  try {
    boost::system::error_code code;
    for (fs::directory_iterator it(parent, code), end; !code && it != end; it.increment(code)) {
      if (!is_staging_name(it->path().filename().string())) continue;
      const std::string path = it->path().string();
      const UniqueFd fd(
          sys().openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0));
      // Another user's is theirs to clean: its content could be anything.
      if (!fd || stat_of(fd.get(), path).uid != ::geteuid() || !lock_directory(fd.get())) continue;
      try {
        put_back_sidecars(path);
      } catch (const Error&) {
        continue;  // the only copy of somebody's sidecars: leave them where they are
      }
      remove_tree(path);
    }
  } catch (const std::exception&) {
    // Cleaning is a courtesy; the run itself will say what is wrong with this directory.
  }
}

}  // namespace sqlbk
