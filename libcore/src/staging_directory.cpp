#include "staging_directory.hpp"

#include <algorithm>
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

#include "free_name.hpp"
#include "linux/descriptor_table.hpp"
#include "linux/open_elsewhere.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/staged_image.hpp"
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
    const ssize_t count = sys().getrandom(bytes.data() + have, bytes.size() - have, 0);
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

// False: between mkdir and flock a cleaner has taken it for a dead run's.
bool lock_new_directory(int fd, const std::string& path, const std::string& parent) {
  if (lock_directory(fd)) {
    const std::optional<FileStat> by_path = stat_path(path);
    return by_path && by_path->same_file(stat_of(fd, path));
  }
  if (errno == EWOULDBLOCK) return false;
  throw system_error("lock a staging directory in", parent, errno)
      .with_code(Errc::destination_unusable)
      .with_hint("choose a directory on another file system");
}

void remove_tree(const std::string& path) noexcept {
  boost::system::error_code ignored;
  fs::remove_all(path, ignored);
}

// Four numbers of a file: inode, size, mtime, ctime. The device is not noted: it may have another
// number after a restart, and is that of the staging directory.
void append(std::string& text, const std::optional<FileStat>& stat) {
  const FileStat value = stat.value_or(FileStat{});
  text += std::to_string(value.inode) + ' ' + std::to_string(value.size_bytes) + ' ' +
          std::to_string(value.mtime_ns) + ' ' + std::to_string(value.ctime_ns) + '\n';
}

std::optional<FileStat> read_stat(std::istream& in, std::uint64_t device) {
  FileStat stat;
  stat.device = device;
  in >> stat.inode >> stat.size_bytes >> stat.mtime_ns >> stat.ctime_ns;
  return stat.inode == 0 ? std::nullopt : std::optional(stat);
}

std::optional<ReplaceNote> read_note(const std::string& path) {
  const std::optional<FileStat> stat = stat_path(path);
  if (!stat || stat->size_bytes > 65536) return std::nullopt;
  std::string text(stat->size_bytes, '\0');
  const UniqueFd fd = open_at(AT_FDCWD, path, O_RDONLY, 0, path);
  text.resize(read_up_to(fd.get(), std::as_writable_bytes(std::span(text)), 0, path));
  // Cut off: the run died before it had synced the note, and so before it took anything.
  if (text.empty() || text.back() != '\0') return std::nullopt;
  std::istringstream in(text);
  ReplaceNote note;
  note.old_main = read_stat(in, stat->device);
  note.new_main = read_stat(in, stat->device).value_or(FileStat{});
  note.new_wal = read_stat(in, stat->device);
  note.new_digest = read_stat(in, stat->device);
  in.ignore(1);
  if (!std::getline(in, note.destination, '\0')) return std::nullopt;
  return note;
}

bool is_used(const std::string& path) {
  const std::optional<FileStat> file = stat_path(path);
  // Not even opened then: see require_not_open_here() in staged_target.cpp.
  if (!platform::has_private_descriptor_table() && file && platform::is_open_here(*file)) {
    return true;
  }
  const UniqueFd fd = open_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, path);
  return platform::open_elsewhere(fd.get(), path) != platform::OpenElsewhere::no;
}

bool is_there(const std::string& path) {
  return stat_at(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, path).has_value();
}

constexpr std::array<std::string_view, 4> kTakenSuffixes{"-wal", "-shm", "-journal", ".sha256"};

bool holds_old_sidecars(const std::string& staging) {
  return std::ranges::any_of(kTakenSuffixes, [&staging](std::string_view suffix) {
    return is_there(staging + "/old" + std::string(suffix));
  });
}

// True: nothing in the staging directory is needed any more.
bool settle_replacement(const std::string& staging) {
  const std::optional<ReplaceNote> note = read_note(staging + "/" + kReplaceNoteName);
  if (!note) return true;
  // By the directory as it is called now: it may have got another name, and the old one be another.
  const fs::path directory = fs::path(staging).parent_path();
  const std::string destination = (directory / fs::path(note->destination).filename()).string();
  const std::optional<FileStat> now = stat_path(destination);
  const std::optional<FileStat> staged = stat_path(StagedImage(staging).main_path());
  // It may have been written to since. While the copy has its private name, its inode is no
  // other's.
  const bool is_new =
      now && now->same_file(note->new_main) && (!staged || staged->same_file(note->new_main));
  if (is_new) {
    // The dead run may not have come so far: without it the old sidecars might be needed again.
    sync_directory(directory.string());
    return true;
  }
  const bool is_old = note->old_main
                          ? now && now->unchanged(*note->old_main) && !is_used(destination)
                          : !is_there(destination);
  const auto stands = [](const std::string& path, const std::optional<FileStat>& noted) {
    const std::optional<FileStat> there = stat_path(path);
    return there && noted && there->same_file(*noted);
  };
  // The main there is somebody else's. Of it nothing was taken, and a digest means nothing beside
  // it; but a -wal may be its owner's by now.
  if (!is_old && (holds_old_sidecars(staging) || stands(destination + "-wal", note->new_wal))) {
    return false;
  }
  // They came first, and their main never: beside the old main they would be taken for a part of
  // it.
  const auto is_gone = [&](const std::string& path, const std::optional<FileStat>& noted) {
    return !stands(path, noted) || sys().unlinkat(AT_FDCWD, path.c_str(), 0) == 0;
  };
  if (!is_gone(destination + "-wal", note->new_wal) ||
      !is_gone(destination + ".sha256", note->new_digest)) {
    return false;
  }
  bool all_back = true;
  for (const std::string_view suffix : kTakenSuffixes) {
    const std::string from = staging + "/old" + std::string(suffix);
    if (!is_there(from)) continue;
    all_back = try_move_to_free_name(from, destination + std::string(suffix)) && all_back;
  }
  return all_back;
}

// Whether `path` lies in the directory `staging` of `parent`.
bool holds(const std::string& parent, const fs::path& staging, const std::string& path) {
  boost::system::error_code code;
  const fs::path real = fs::canonical(parent, code) / staging.filename();
  return code || path.starts_with(real.string() + "/");
}

}  // namespace

void sync_directory(const std::string& path) {
  const UniqueFd fd = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, path);
  sync_file(fd.get(), path);
}

bool try_move_to_free_name(const std::string& from, const std::string& to) noexcept {
  try {
    static_cast<void>(move_to_free_name({AT_FDCWD, from, from}, {AT_FDCWD, to, to}));
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

Error staging_error(const std::string& parent, int os_errno) {
  Error error = system_error("make a staging directory in", parent, os_errno);
  if (error.code() == Errc::no_space) return error;
  error.with_code(Errc::destination_unusable);
  return error.with_hint("choose a directory that exists and that you may write to");
}

StagingDirectory::StagingDirectory(const std::string& parent) {
  constexpr int kTries = 16;
  for (int i = 0; i < kTries; ++i) {
    const std::string path = (parent == "/" ? "" : parent) + "/" + random_name();
    if (sys().mkdirat(AT_FDCWD, path.c_str(), 0700) != 0) {
      if (errno == EEXIST) continue;
      throw staging_error(parent, errno);
    }
    UniqueFd fd;
    bool is_ours = false;
    try {
      fd = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, path);
      is_ours = lock_new_directory(fd.get(), path, parent);
    } catch (const Error& error) {
      if (error.os_errno() == ENOENT) continue;  // a cleaner has taken it for a dead run's
      static_cast<void>(sys().unlinkat(AT_FDCWD, path.c_str(),
                                       AT_REMOVEDIR));  // no destructor runs for what was not built
      throw;
    }
    if (!is_ours) continue;
    path_ = path;
    fd_ = std::move(fd);
    return;
  }
  throw Error(Errc::destination_unusable,
              "unable to make and lock a staging directory in " + quoted(parent))
      .with_path(parent);
}

StagingDirectory::~StagingDirectory() {
  if (fd_ && !is_kept_) remove_tree(path_);
}

std::string to_text(const ReplaceNote& note) {
  std::string text;
  append(text, note.old_main);
  append(text, note.new_main);
  append(text, note.new_wal);
  append(text, note.new_digest);
  return text + note.destination + '\0';
}

void clean_dead_staging_directories(const std::string& parent,
                                    const std::string& source_path) noexcept {
  try {
    boost::system::error_code code;
    for (fs::directory_iterator it(parent, code), end; !code && it != end; it.increment(code)) {
      if (!is_staging_name(it->path().filename().string())) continue;
      if (holds(parent, it->path(), source_path)) continue;
      const std::string path = it->path().string();
      const UniqueFd fd(
          sys().openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0));
      // Another user's is theirs to clean: its content could be anything.
      if (!fd || stat_of(fd.get(), path).uid != ::geteuid() || !lock_directory(fd.get())) continue;
      try {
        if (!settle_replacement(path)) continue;
      } catch (const Error&) {
        continue;  // as above
      }
      remove_tree(path);
    }
  } catch (const std::exception&) {
    // Cleaning is a courtesy; the run itself will say what is wrong with this directory.
  }
}

}  // namespace sqlbk
