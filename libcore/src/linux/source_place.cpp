#include "linux/source_place.hpp"

#include <array>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <linux/magic.h>
#include <optional>
#include <sys/vfs.h>
#include <unistd.h>
#include <utility>

#include <boost/filesystem.hpp>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk::platform {
namespace {

namespace fs = boost::filesystem;

constexpr int kMostLinks = 40;  // MAXSYMLINKS of the kernel
constexpr std::string_view kDeletedMark = " (deleted)";

Error missing(const std::string& given, int os_errno) {
  Error error(Errc::source_missing, "there is no source " + quoted(given));
  error.with_path(given).with_errno(os_errno);
  return error;
}

Error no_file(const std::string& given, bool is_directory) {
  Error error(Errc::not_a_database,
              quoted(given) +
                  (is_directory ? " is a directory, not a database" : " is not a regular file"));
  error.with_path(given).with_hint("name the database file itself");
  return error;
}

Error open_failure(const std::string& given, int os_errno) {
  if (os_errno == ENOENT || os_errno == ENOTDIR) return missing(given, os_errno);
  return system_error("open", given, os_errno);
}

int open_retrying(int directory, const std::string& path, int flags) {
  int fd = sys().openat(directory, path.c_str(), flags | O_CLOEXEC, 0);
  while (fd < 0 && errno == EINTR) {
    fd = sys().openat(directory, path.c_str(), flags | O_CLOEXEC, 0);
  }
  return fd;
}

// A path in two parts: the directory, as far as the last slash, and the name in it.
struct Parts {
  std::string directory;  // "" is the directory in which the path is looked up
  std::string name;
};

Parts split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash + 1), path.substr(slash + 1)};
}

std::string read_link(int directory, const std::string& name, const std::string& given) {
  std::string text(PATH_MAX, '\0');
  const ssize_t size = sys().readlinkat(directory, name.c_str(), text.data(), text.size());
  if (size < 0) throw open_failure(given, errno);
  text.resize(static_cast<std::size_t>(size));
  return text;
}

bool is_on_proc(int fd, const std::string& given) {
  struct statfs info {};
  int result = sys().fstatfs(fd, &info);
  while (result != 0 && errno == EINTR) result = sys().fstatfs(fd, &info);
  if (result != 0) throw system_error("ask for the file system of", given, errno);
  return info.f_type == PROC_SUPER_MAGIC;
}

// A directory on the way, and the text by which the kernel finds it.
struct Stand {
  UniqueFd fd;
  std::string path;
};

std::string joined(const Stand& from, const std::string& path) {
  return path.starts_with('/') ? path : from.path + path;
}

// `from.fd` is empty where the way begins: the current directory.
UniqueFd open_directory(const Stand& from, const std::string& path, const std::string& given) {
  const int base = from.fd ? from.fd.get() : AT_FDCWD;
  const int fd = open_retrying(base, path.empty() ? "." : path, O_PATH | O_DIRECTORY);
  if (fd < 0) throw open_failure(given, errno);
  return UniqueFd(fd);
}

std::string without_trailing_slash(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path.empty() ? "." : path;
}

// So that it stays the same when a host program goes elsewhere.
std::string absolute(const std::string& path) {
  boost::system::error_code code;
  const std::string here = fs::current_path(code).string();
  // "(unreachable)": in another mount namespace, or deleted (getcwd(3)).
  return path.starts_with('/') || code || !here.starts_with('/') ? path : here + "/" + path;
}

SourcePlace place_of(Stand stand, std::string name) {
  SourcePlace place;
  place.name = std::move(name);
  place.directory_path = absolute(without_trailing_slash(stand.path));
  boost::system::error_code code;
  const std::string real = fs::canonical(place.directory_path, code).string();
  // As text: where the links are those of /proc it may be another directory, or none.
  if (!code) {
    const std::optional<FileStat> found = stat_path(real);
    if (found && found->same_file(stat_of(stand.fd.get(), real))) {
      place.directory_path = real;
      place.is_canonical = true;
    }
  }
  place.directory = std::move(stand.fd);
  return place;
}

Error nameless(const std::string& given, const std::string& what) {
  Error error(Errc::unsupported_database, "unable to copy " + quoted(given) + ": " + what);
  error.with_path(given);
  return error;
}

Error deleted(const std::string& given) {
  return nameless(given,
                  "it was deleted, and only a program that has it open keeps it: its -wal and "
                  "-journal cannot be found without its name")
      .with_hint(
          "stop that program (kill -STOP PID), copy what it has open from /proc/PID/fd with cp "
          "(main under any name, a -wal or -journal under that name with this ending), and run "
          "sqlbk on the files that cp has made");
}

bool names(const Stand& stand, const std::string& name, const FileStat& file,
           const std::string& given) {
  const std::optional<FileStat> there = stat_at(stand.fd.get(), name, AT_SYMLINK_NOFOLLOW, given);
  return there && there->same_file(file);
}

// A link of /proc to a file. Its text is the file's path in the mount namespace of the process:
// right for us if the file is there, else behind the root of that process.
SourcePlace place_behind_proc(const Stand& proc, const std::string& link,
                              const std::string& given) {
  const UniqueFd opened(open_retrying(proc.fd.get(), link, O_PATH));
  if (!opened) throw open_failure(given, errno);
  const FileStat file = stat_of(opened.get(), given);
  if (!file.is_regular()) throw no_file(given, file.is_directory());
  const std::string text = read_link(proc.fd.get(), link, given);
  const Parts parts = split(text);
  for (const std::string& root : {std::string(), std::string("../root")}) {
    const std::string path = root + parts.directory;
    const int fd = open_retrying(proc.fd.get(), path, O_PATH | O_DIRECTORY);
    if (fd < 0) continue;
    Stand stand{UniqueFd(fd), joined(proc, path)};
    if (names(stand, parts.name, file, given)) return place_of(std::move(stand), parts.name);
  }
  if (file.links == 0 || text.ends_with(kDeletedMark)) throw deleted(given);
  throw nameless(given, "the directory in which it lies cannot be found from " + quoted(text))
      .with_hint(
          "name it by its directory: /proc/PID/root/PATH, where PID is a process that sees the "
          "file "
          "as PATH");
}

}  // namespace

std::string SourcePlace::path() const {
  return directory_path == "/" ? "/" + name : directory_path + "/" + name;
}

bool SourcePlace::is_current() const {
  const std::optional<FileStat> found = stat_path(directory_path);
  if (!found) return !is_canonical;
  return found->same_file(stat_of(directory.get(), directory_path));
}

SourcePlace find_source(const std::string& path, const std::string& given) {
  if (path.empty()) throw missing(given, ENOENT);
  Stand stand;
  std::string rest = path;
  for (int links = 0; links <= kMostLinks; ++links) {
    const Parts parts = split(rest);
    stand = Stand{open_directory(stand, parts.directory, given), joined(stand, parts.directory)};
    if (parts.name.empty() || parts.name == "." || parts.name == "..") throw no_file(given, true);
    const std::optional<FileStat> found =
        stat_at(stand.fd.get(), parts.name, AT_SYMLINK_NOFOLLOW, given);
    if (!found) throw missing(given, ENOENT);
    if (!found->is_link()) {
      if (!found->is_regular()) throw no_file(given, found->is_directory());
      return place_of(std::move(stand), parts.name);
    }
    if (is_on_proc(stand.fd.get(), given)) return place_behind_proc(stand, parts.name, given);
    rest = read_link(stand.fd.get(), parts.name, given);
  }
  throw system_error("open", given, ELOOP);
}

}  // namespace sqlbk::platform
